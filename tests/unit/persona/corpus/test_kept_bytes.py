"""Bytes of a download that were received before stay, whatever the next answer is."""

import pytest

from pipeline.errors import DownloadError
from pipeline.persona.corpus import http
from tests.support.file_server import serve
from tests.unit.persona.corpus.test_http import CONTENT, RIGHT, fetch, interrupt, names


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


PORTAL = b"<html>please log in</html>"


def test_a_login_page_does_not_replace_what_was_received(tmp_path):
    """A network that asks for a login answers 200 to everything."""
    with serve(CONTENT) as server:
        kept = interrupt(server.url, tmp_path)
        for etag in ('"page"', ""):
            server.content, server.ranges, server.etag = PORTAL, False, etag
            with pytest.raises(DownloadError, match=r"another file .*ask for a login.* are kept"):
                fetch(server.url, tmp_path)
            assert (tmp_path / f"{RIGHT}.partial").stat().st_size == kept
        server.content, server.ranges, server.etag = CONTENT, True, '"v1"'
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={kept}-"
    assert names(tmp_path) == [RIGHT]


@pytest.mark.parametrize("status", [403, 404, 501, 511, 520])
def test_a_server_that_has_nothing_now_takes_nothing_away(tmp_path, status):
    with serve(CONTENT) as server:
        kept = interrupt(server.url, tmp_path)
        server.statuses.append(status)
        with pytest.raises(DownloadError, match=f"HTTP {status}"):
            fetch(server.url, tmp_path)
        assert (tmp_path / f"{RIGHT}.partial").stat().st_size == kept
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={kept}-"


def test_an_answer_from_the_beginning_that_ends_at_once_takes_nothing_away(tmp_path):
    with serve(CONTENT) as server:
        kept = interrupt(server.url, tmp_path)
        server.ranges, server.etag = False, ""
        server.cuts.extend([10] * http.ATTEMPTS)
        with pytest.raises(DownloadError, match="are kept"):
            fetch(server.url, tmp_path)
        assert (tmp_path / f"{RIGHT}.partial").stat().st_size == kept
        assert not (tmp_path / f"{RIGHT}.anew.partial").exists()


def test_a_longer_part_of_a_new_version_is_gone_on_from(tmp_path):
    with serve(b"x" * len(CONTENT), etag='"v0"') as server:
        interrupt(server.url, tmp_path)
        server.content, server.etag = CONTENT, '"v1"'
        server.cuts.append(1000)
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == "bytes=1000-"


ODD = {
    "416 without a size": (416, ""),
    "416 of an unknown size": (416, "bytes */*"),
    "416 of a shorter file": (416, "bytes */12"),
    "416 of a longer file": (416, "bytes */999999999"),
    "206 of another range": (206, "bytes 0-299999/300000"),
    "206 of no range": (206, ""),
}


@pytest.mark.parametrize("name", ODD)
def test_an_answer_to_a_range_that_does_not_fit_takes_nothing_away(tmp_path, name):
    """What it says of the file need not be so: the file is asked for as a whole, beside."""
    with serve(CONTENT) as server:
        kept = interrupt(server.url, tmp_path)
        server.content, server.etag = PORTAL, '"page"'
        server.odd_ranges.append(ODD[name])
        with pytest.raises(DownloadError, match=r"another file .* are kept"):
            fetch(server.url, tmp_path)
        assert (tmp_path / f"{RIGHT}.partial").read_bytes() == CONTENT[:kept]
        assert len(server.requests) == 3
        assert "Range" not in server.requests[-1]
        server.content, server.etag = CONTENT, '"v1"'
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1]["Range"] == f"bytes={kept}-"
    assert names(tmp_path) == [RIGHT]


@pytest.mark.parametrize("name", ODD)
def test_a_server_that_knows_no_ranges_but_has_the_file(tmp_path, name):
    with serve(CONTENT) as server:
        interrupt(server.url, tmp_path)
        server.odd_ranges.append(ODD[name])
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 3
    assert names(tmp_path) == [RIGHT]


def test_a_range_that_nobody_asked_for_is_not_taken_for_the_file(tmp_path, monkeypatch):
    with serve(CONTENT) as server:
        kept = interrupt(server.url, tmp_path)
        monkeypatch.setattr(server, "_start", lambda headers: 100)
        with pytest.raises(DownloadError, match=r"another range.* are kept"):
            fetch(server.url, tmp_path)
        assert (tmp_path / f"{RIGHT}.partial").read_bytes() == CONTENT[:kept]
        (tmp_path / f"{RIGHT}.partial").unlink()
        with pytest.raises(DownloadError, match=r"another range"):
            fetch(server.url, tmp_path)
