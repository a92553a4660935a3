"""Servers that want to be waited for, lead elsewhere, crawl or lie; secrets stay secret."""

import socket
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from pipeline.errors import DownloadError
from pipeline.persona.corpus import http
from tests.support.raw_server import RawServer, serve_raw


BODY = b"x" * 1000
RIGHT = sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def waits(monkeypatch) -> list[float]:
    seen: list[float] = []
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("tenacity.nap.time.sleep", seen.append)
    return seen


def fetch(url: str, workspace: Path) -> Path:
    return http.fetch(url, workspace, sha256=RIGHT, on_progress=lambda *_: None, first_wait=0.001)


def refused(url: str, workspace: Path) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(url, workspace)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600
    return message


def says(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


OK = says("200 OK", f"Content-Length: {len(BODY)}", body=BODY)


def in_turn(*answers: bytes):
    left = list(answers)

    def next_one(_: RawServer, connection: socket.socket) -> None:
        connection.sendall(left.pop(0) if len(left) > 1 else left[0])

    return next_one


DATES = ("Date: Thu, 01 Jan 2026 00:00:00 GMT", "Retry-After: Thu, 01 Jan 2026 00:00:07 GMT")


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        (["Retry-After: 5"], 5),
        (DATES, 7),
        (["Retry-After: soon"], 0.001),
        (["Retry-After: 0"], 0.001),
        (["Retry-After: -5"], 0.001),
        (DATES[1:], 0.001),  # without the server's clock
    ],
)
def test_retry_after_is_honoured(tmp_path, waits, headers, waited):
    with serve_raw(in_turn(says("503 Busy", *headers), OK)) as server:
        assert fetch(server.url, tmp_path).read_bytes() == BODY
    assert waits == pytest.approx([waited])


@pytest.mark.parametrize("asked", ["3600", "9" * 5000])
def test_a_long_wait_is_the_users(tmp_path, waits, asked):
    (tmp_path / f"{RIGHT}.partial").write_bytes(BODY[:10])
    with serve_raw(says("429 Busy", f"Retry-After: {asked}")) as server:
        note = {"url_sha256": sha256(server.url.encode()).hexdigest(), "validator": ""}
        http.artifacts.write_json(tmp_path / f"{RIGHT}.json", note)
        assert "HTTP 429 Busy, asking to wait" in refused(server.url, tmp_path)
        assert len(server.requests) == 1
    assert waits == []
    assert (tmp_path / f"{RIGHT}.partial").read_bytes() == BODY[:10]


@pytest.mark.parametrize("status", ["501 No", "505 No", "511 No", "410 Gone", "451 No"])
def test_what_cannot_get_better_is_asked_once(tmp_path, status):
    with serve_raw(says(status)) as server:
        assert f"HTTP {status}" in refused(server.url, tmp_path)
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "ftp://host/x",
        "gopher:x",
        "//:x@:y",
        "javascript:x",
    ],
)
def test_a_redirect_to_something_else_is_refused_at_once(tmp_path, location):
    with serve_raw(says("302 Found", f"Location: {location}")) as server:
        assert "refused" in refused(server.url, tmp_path)
        assert len(server.requests) == 1


def test_redirects_are_followed_and_bounded(tmp_path):
    with serve_raw(in_turn(says("302 Found", "Location: /b"), OK)) as server:
        assert fetch(server.url, tmp_path / "a").read_bytes() == BODY
        assert server.requests[1].startswith(b"GET /b ")
    with serve_raw(says("302 Found", "Location: /b")) as server:
        assert "redirected more than 10 times" in refused(server.url, tmp_path / "b")


SECRETS = ("word7", "tok7", "user7", "frag7")


@pytest.mark.parametrize(
    "answered",
    [
        says("404 No"),
        says("503 Busy"),
        says("200 OK", "Content-Length: 4", body=b"none"),
        says("302 Found", "Location: http://user7:word7@[/?t=tok7"),
        says("302 Found", "Location: file://user7:word7@x/?t=tok7"),
        b"no http",
        b"",
    ],
    ids=range(7),
)
def test_no_secret_of_a_url_is_shown(tmp_path, answered):
    with serve_raw(answered) as server:
        url = server.url.replace("//", "//user7:word7@") + "?token=tok7#frag7"
        message = refused(url, tmp_path)
    assert f"127.0.0.1:{server.port}/a.tgz" in message
    assert [secret for secret in SECRETS if secret in message] == []


@pytest.mark.parametrize("url", ["http://user7:word7@host:tok7/", "http://user7:word7@[::/x"])
def test_no_secret_of_a_broken_url_is_shown(tmp_path, url):
    message = refused(url, tmp_path)
    assert [secret for secret in SECRETS if secret in message] == []


@pytest.mark.parametrize("proxy", ["socks5://user7:word7@host:1", "foo://user7:word7@host", "://["])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY"])
def test_a_proxy_that_cannot_be_used_is_one_line(tmp_path, monkeypatch, variable, proxy):
    monkeypatch.setenv(variable, proxy)
    kept = tmp_path / f"{RIGHT}.partial"
    kept.write_bytes(BODY[:10])
    url = "http://host/x"
    note = {"url_sha256": sha256(url.encode()).hexdigest(), "validator": ""}
    http.artifacts.write_json(kept.with_suffix(".json"), note)
    message = refused(url, tmp_path)
    assert f"{variable}" in message
    assert [secret for secret in SECRETS if secret in message] == []
    assert kept.read_bytes() == BODY[:10]


@pytest.mark.parametrize("there", [False, True])
def test_certificates_that_cannot_be_read_are_named(tmp_path, monkeypatch, there):
    path = tmp_path / "certificates.pem"
    if there:
        path.write_text("none\n")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    message = refused("http://host/x", tmp_path)
    assert f"not asked: SSL_CERT_FILE of the environment, {path}, holds no certificates" in message


def test_no_secret_is_shown_where_nobody_listens(tmp_path):
    message = refused("http://user7:word7@127.0.0.1:9/x?tok7", tmp_path)
    assert [secret for secret in SECRETS if secret in message] == []


def test_what_a_server_writes_is_shown_on_one_line(tmp_path):
    with serve_raw(says("404 \x1b[31m" + "y" * 5000)) as server:
        assert len(refused(server.url, tmp_path)) < 400


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 19])
def test_numbers_without_end_are_no_sizes(tmp_path, digits):
    response = httpx.Response(206, headers={"Content-Range": f"bytes {digits}-1/{digits}"})
    assert (http.first_byte(response), http.whole_size(response)) == (None, None)
    response = httpx.Response(200, headers={"Content-Length": digits})
    assert http.whole_size(response) is None


NAMES = st.sampled_from(
    [
        "Content-Length",
        "Content-Range",
        "ETag",
        "Last-Modified",
        "Location",
        "Retry-After",
        "Transfer-Encoding",
        "Content-Encoding",
        "Date",
        "X",
    ]
)
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=40),
    st.sampled_from(["0", "-1", "1" * 30, "bytes 5-9/4", "bytes */0", "chunked", '"a"', "//"]),
)


@seed(0)
@settings(max_examples=20, deadline=None, database=None)
@given(
    status=st.integers(100, 599),
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=4),
    body=st.binary(max_size=60),
)
def test_hostile_answers_are_one_line(tmp_path_factory, status, headers, body):
    lines = [f"{name}: {value}" for name, value in headers]
    with serve_raw(says(f"{status} x", *lines, body=body)) as server:
        refused(server.url, tmp_path_factory.mktemp("fuzz"))
