"""The hub's client against a small hub of our own, each time in a fresh process and cache."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.errors import DownloadError, ModelError
from pipeline.model.pretraining import hub
from tests.wiring.closure import ROOT


COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "gpt2"}',
    "model.safetensors": b"weights" * 1000,
    "merges.txt": b"#version\n",
    "pytorch_model.bin": b"a pickle",
    "onnx/model.safetensors": b"another format",
    "train.py": b"code",
}
FETCH = """
import json, sys, time
time.sleep = lambda seconds: None  # the client waits up to 20 s between its attempts
from pipeline.errors import PipelineError
from pipeline.model.pretraining import hub
try:
    folder, commit = hub.fetch(sys.argv[1], sys.argv[2])
    print(json.dumps([str(folder), commit]))
except PipelineError as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""


class _Hub(BaseHTTPRequestHandler):
    """Repository `org/gpt2`, whose branch `main` is COMMIT; `org/gated` may not be read."""

    def do_GET(self):
        self.server.asked.append(self.path)
        kind, content = self._answer(self.path.split("?")[0].strip("/").split("/"))
        if isinstance(content, str):
            self._send(kind, b"", {"X-Error-Code": content})
        else:
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            self._send(kind, content, {"ETag": etag, "X-Repo-Commit": COMMIT})

    def do_HEAD(self):
        self.do_GET()

    def _answer(self, parts):
        if parts[:2] == ["api", "models"]:
            repository, what, revision = "/".join(parts[2:4]), *parts[4:6]
        elif parts[2:3] == ["resolve"]:
            repository, what, revision = "/".join(parts[:2]), "resolve", parts[3]
        else:
            return 404, "EntryNotFound"
        if repository == "org/gated":
            return 403, "GatedRepo"
        if repository != "org/gpt2":
            return 404, "RepoNotFound"
        if revision not in ("main", COMMIT):
            return 404, "RevisionNotFound"
        if what == "resolve":
            return 200, FILES["/".join(parts[4:])]
        return 200, json.dumps(self._listing(what)).encode()

    def _listing(self, what):
        if what == "revision":
            return {"id": "org/gpt2", "sha": COMMIT, "siblings": [{"rfilename": n} for n in FILES]}
        return [
            {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
            for name, content in FILES.items()
        ]

    def _send(self, status, content, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: len(content) // 2] if self.server.breaks else content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    server.asked, server.breaks = [], False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(repository, revision, **environment):
        env = os.environ | {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            **environment,
        }
        command = [sys.executable, "-c", FETCH, repository, revision]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return fetch


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_only_what_the_base_needs_is_fetched(fetch, revision):
    folder, commit = fetch("org/gpt2", revision)
    assert commit == COMMIT
    fetched = {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*.*")}
    assert fetched == {name: FILES[name] for name in list(FILES)[:3]}


def test_a_cached_commit_needs_no_network(fetch, server):
    expected = fetch("org/gpt2", COMMIT)
    server.asked.clear()
    assert fetch("org/gpt2", COMMIT, HF_HUB_OFFLINE="1") == expected
    assert server.asked == []


@pytest.mark.parametrize(
    ("repository", "revision", "message"),
    [
        ("org/none", "main", "'org/none' does not exist or is private; correct base.source"),
        ("org/none", COMMIT, "'org/none' does not exist or is private; correct base.source"),
        ("org/gated", "main", "'org/gated' is gated"),
        ("org/gpt2", "v9", "'org/gpt2' has no revision 'v9'; correct base.revision"),
        ("org/gpt2", "9" * 40, "has no revision '9999"),
        ("a--b..c", "main", "does not exist"),
    ],
)
def test_what_is_not_there_is_named(fetch, repository, revision, message):
    kind, error = fetch(repository, revision)
    assert kind == "ModelError"
    assert message in error


def test_a_hub_that_cannot_be_reached(fetch):
    kind, error = fetch("org/gpt2", "main", HF_ENDPOINT="http://127.0.0.1:9")
    assert kind == "DownloadError"
    assert "'org/gpt2', revision 'main'" in error
    assert "try again, or give a folder" in error


def test_a_connection_that_breaks(fetch, server, tmp_path):
    server.breaks = True
    kind, error = fetch("org/gpt2", COMMIT)
    assert kind == "DownloadError"
    assert "try again" in error
    server.breaks = False
    assert fetch("org/gpt2", COMMIT)[1] == COMMIT


def test_a_full_disk_is_not_the_networks_fault(monkeypatch):
    def fail(*args, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(OSError, match="No space left"):
        hub.fetch("org/gpt2", COMMIT)


def test_a_failure_of_the_transfer_protocol_is_one_line(monkeypatch):
    def fail(*args, **keywords):
        raise RuntimeError("Data processing error: lost\nmore")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(DownloadError, match=r"\(RuntimeError: Data processing error: lost\); try"):
        hub.fetch("org/gpt2", COMMIT)


def test_a_hub_id_needs_a_revision():
    with pytest.raises(ModelError, match=r"'org/gpt2' is no folder.*set base\.revision"):
        hub.fetch("org/gpt2", None)


@pytest.mark.parametrize("source", ["gpt2", "openai-community/gpt2", "a.b/c_d-1"])
def test_hub_ids(source):
    assert hub.is_hub_id(source)


@pytest.mark.parametrize(
    "source", ["./gpt2", "../a/b", "/gpt2", "a/b/c", "~/gpt2", "a b", "", "a/"]
)
def test_paths_are_no_hub_ids(source):
    assert not hub.is_hub_id(source)


def test_a_folder_of_that_name_is_no_hub_id(tmp_path, monkeypatch):
    (tmp_path / "org/gpt2").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert not hub.is_hub_id("org/gpt2")
