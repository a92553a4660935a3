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
