"""Servers that crawl, trickle or never end are given up; what they have sent is kept."""

import socket
from threading import Event

import pytest

from pipeline.persona.corpus import answer, http
from tests.support.raw_server import RawServer, serve_raw
from tests.unit.persona.corpus.test_answer import BODY, RIGHT, refused, says


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _: None)


def crawl(server: RawServer, connection: socket.socket) -> None:
    connection.sendall(says("200 OK", f"Content-Length: {len(BODY)}"))
    for place in range(len(BODY)):
        if server.stopped.wait(0.01):
            return
        connection.sendall(BODY[place : place + 1])


def test_a_crawl_is_given_up_and_its_bytes_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(answer, "RATE_OVER", 0.1)
    with serve_raw(crawl) as server:
        assert "under 1000 bytes per second" in refused(server.url, tmp_path)
        assert len(server.requests) == http.ATTEMPTS
    assert (tmp_path / f"{RIGHT}.partial").stat().st_size


CHUNKED = says("200 OK", "Transfer-Encoding: chunked")


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        (CHUNKED + b"1\r\nx\r\n0\r\n", b"X: y\r\n"),  # trailers
        (CHUNKED + b"1\r\nx\r\n", b"1;y=" + b"z" * 3000 + b"\r\nx\r\n"),  # extensions of chunks
        (says("200 OK") + b"x", b"x"),  # as long as the connection is there
    ],
    ids=["trailers", "extensions", "no-length"],
)
def test_what_comes_beside_the_content_keeps_nobody_waiting(tmp_path, monkeypatch, begin, again):
    """No time-out passes, for something comes each time; trailers hung for ever."""

    def trickle(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(begin)
        for _ in range(300):
            if not server.stopped.wait(0.01):
                connection.sendall(again)

    monkeypatch.setattr(answer, "RATE_OVER", 0.1)
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    with serve_raw(trickle) as server:
        assert "under 1000 bytes per second" in refused(server.url, tmp_path)
        assert len(server.requests) == http.ATTEMPTS
    assert (tmp_path / f"{RIGHT}.partial").read_bytes().startswith(b"x")


def test_an_answer_that_was_closed_has_not_come_to_its_end(monkeypatch):
    """With TLS a closed connection may look like the end of an answer without a length."""

    class Quiet:
        def __init__(self) -> None:
            self.closed = Event()
            self.close = self.closed.set

        def iter_raw(self):
            yield b"x"
            self.closed.wait(5)

    monkeypatch.setattr(answer, "RATE_OVER", 0.02)
    with pytest.raises(answer.TryAgainError, match="under 1000 bytes"):
        list(answer.content_of(Quiet()))


def test_an_answer_that_is_fast_enough_and_has_no_end_is_given_up(tmp_path, monkeypatch):
    def stream(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(CHUNKED)
        while not server.stopped.wait(0.01):
            connection.sendall(b"64\r\n" + b"x" * 100 + b"\r\n")

    monkeypatch.setattr(answer, "LONGEST_ATTEMPT", 0.1)
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    with serve_raw(stream) as server:
        assert "no end within 0 s" in refused(server.url, tmp_path)
    assert (tmp_path / f"{RIGHT}.partial").stat().st_size


def dribble(server: RawServer, connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not server.stopped.wait(0.02):
        connection.sendall(b"x")


def test_headers_without_end_are_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(answer, "LONGEST_HEADERS", 0.15)
    with serve_raw(dribble) as server:
        assert "no headers within" in refused(server.url, tmp_path)
