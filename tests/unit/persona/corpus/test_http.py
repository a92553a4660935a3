"""A transfer that is interrupted, refused, changed or damaged, against a local server."""

import json
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from pipeline.errors import DownloadError
from pipeline.persona.corpus import http
from tests.support.file_server import serve


CONTENT = Random("transfer").randbytes(300_000)
RIGHT = sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def fetch(url: str, workspace: Path, expected: str = RIGHT, seen: list | None = None) -> Path:
    steps = [] if seen is None else seen
    return http.fetch(
        url,
        workspace,
        sha256=expected,
        on_progress=lambda done, total: steps.append((done, total)),
        first_wait=0.001,
    )


def names(workspace: Path) -> list[str]:
    return sorted(path.name for path in workspace.iterdir())


def stop_at(done: int):
    """A progress callback during which the user presses Ctrl-C."""

    def on_progress(now: int, total: int | None) -> None:
        if now >= done:
            raise KeyboardInterrupt

    return on_progress


def interrupt(url: str, workspace: Path) -> int:
    """Begin a transfer, stop it half-way, return the bytes that were kept."""
    with pytest.raises(KeyboardInterrupt):
        http.fetch(url, workspace, sha256=RIGHT, on_progress=stop_at(100_000))
    return (workspace / f"{RIGHT}.partial").stat().st_size


def test_a_file_arrives_whole_with_progress(tmp_path):
    seen: list = []
    with serve(CONTENT) as server:
        path = fetch(server.url, tmp_path, seen=seen)
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == [RIGHT]
    done = [step for step, _ in seen]
    assert done == sorted(done)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_what_is_there_is_not_fetched_again_unless_it_is_wrong(tmp_path):
    with serve(CONTENT) as server:
        path = fetch(server.url, tmp_path)
        fetch(server.url, tmp_path)
        assert len(server.requests) == 1
        path.write_bytes(b"damaged")
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT


def test_a_broken_connection_is_resumed_within_one_run(tmp_path):
    with serve(CONTENT, cuts=[100_000, 50_000]) as server:
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert [r.get("Range") for r in server.requests] == [None, "bytes=100000-", "bytes=150000-"]
    assert server.requests[1]["If-Range"] == '"v1"'


def test_an_interrupted_run_goes_on_in_the_next(tmp_path):
    with serve(CONTENT) as server:
        kept = interrupt(server.url, tmp_path)
        assert 0 < kept < len(CONTENT)
        seen: list = []
        assert fetch(server.url, tmp_path, seen=seen).read_bytes() == CONTENT
    assert server.requests[1]["Range"] == f"bytes={kept}-"
    assert seen[0][0] > kept
    assert seen[0][1] == len(CONTENT)
    assert names(tmp_path) == [RIGHT]


def test_a_server_without_ranges_sends_it_all_again(tmp_path):
    with serve(CONTENT, ranges=False) as server:
        interrupt(server.url, tmp_path)
        seen: list = []
        assert fetch(server.url, tmp_path, seen=seen).read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_that_changed_on_the_way_is_not_mixed(tmp_path):
    with serve(b"x" * len(CONTENT), etag='"v0"') as server:
        interrupt(server.url, tmp_path)
        server.content, server.etag = CONTENT, '"v1"'
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT


def test_bytes_of_another_url_are_dropped(tmp_path):
    with serve(b"x" * len(CONTENT)) as other, serve(CONTENT) as server:
        interrupt(other.url, tmp_path)
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert "Range" not in server.requests[0]


def test_the_note_beside_a_partial_file_has_no_secret(tmp_path):
    with serve(CONTENT) as server:
        secret = server.url.replace("//", "//user7:word7@") + "?token=tok7"
        interrupt(secret, tmp_path)
        note = (tmp_path / f"{RIGHT}.json").read_text()
        assert [one for one in ("user7", "word7", "tok7", "127.0.0.1") if one in note] == []
        fetch(secret, tmp_path)
    assert "Range" in server.requests[1]


def test_bytes_with_a_note_of_an_earlier_version_are_dropped(tmp_path):
    with serve(CONTENT) as server:
        interrupt(server.url, tmp_path)
        note = tmp_path / f"{RIGHT}.json"
        note.write_text(json.dumps({"url": server.url, "validator": '"v1"'}))
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert "Range" not in server.requests[1]
    assert names(tmp_path) == [RIGHT]


def test_a_partial_file_that_is_already_whole_is_taken(tmp_path):
    with serve(CONTENT, etag=None) as server:
        interrupt(server.url, tmp_path)
        (tmp_path / f"{RIGHT}.partial").write_bytes(CONTENT)
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 2  # the second was answered 416


def test_a_partial_file_that_is_too_long_is_fetched_anew(tmp_path):
    with serve(CONTENT) as server:
        interrupt(server.url, tmp_path)
        (tmp_path / f"{RIGHT}.partial").write_bytes(CONTENT + b"more")
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(tmp_path, status):
    with serve(CONTENT, statuses=[status, status]) as server:
        assert fetch(server.url, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_waits_double(tmp_path, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    with serve(CONTENT, statuses=[503] * 4) as server:
        fetch(server.url, tmp_path)
    assert waits == pytest.approx([0.001, 0.002, 0.004, 0.008])


def test_a_server_that_stays_busy_is_given_up_but_the_bytes_are_kept(tmp_path):
    with serve(CONTENT) as server:
        kept = interrupt(server.url, tmp_path)
        server.statuses = [503] * 10
        with pytest.raises(DownloadError, match=r"HTTP 503 .*6 attempts.*run again"):
            fetch(server.url, tmp_path)
    assert (tmp_path / f"{RIGHT}.partial").stat().st_size == kept


def test_nobody_listening_is_one_clear_error(tmp_path):
    with serve(CONTENT) as server:
        url = server.url
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1.*6 attempts"):
        fetch(url, tmp_path)


def test_a_missing_file_is_not_asked_for_again(tmp_path):
    with serve(CONTENT, statuses=[404]) as server:
        with pytest.raises(DownloadError, match=r"HTTP 404.*check the URL"):
            fetch(server.url, tmp_path)
        assert len(server.requests) == 1
    assert names(tmp_path) == []


def test_a_wrong_checksum_names_both_and_leaves_nothing(tmp_path):
    wrong = "0" * 64
    with serve(CONTENT) as server, pytest.raises(DownloadError) as caught:
        fetch(server.url, tmp_path, expected=wrong)
    message = str(caught.value)
    assert RIGHT in message
    assert wrong in message
    assert "removed" in message
    assert names(tmp_path) == []


def test_a_file_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(http, "LARGEST_FILE", 100_000)
    with serve(CONTENT) as server, pytest.raises(DownloadError, match="larger than 100000"):
        fetch(server.url, tmp_path)
    assert names(tmp_path) == []


def test_other_schemes_are_refused_at_once(tmp_path):
    with pytest.raises(DownloadError, match="ftp://host/file: not a URL"):
        fetch("ftp://host/file", tmp_path)
