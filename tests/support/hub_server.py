"""A small hub of models on this machine, and the hub's client in a fresh process and cache."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.wiring.closure import ROOT


COMMIT = "0123456789abcdef0123456789abcdef01234567"
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

Files = Mapping[str, bytes]


class Hub(ThreadingHTTPServer):
    """Repositories by name, each with files by commit; `main` is the commit of branch `main`.

    `org/gated` may not be read. `asked` holds the paths that were asked for. With `breaks`, every
    answer ends in the middle; with `refuses_all`, every one is 401 without a reason. Of a file in
    `changed`, by its name, the digest is sent as it is, and the last byte is another.
    """

    def __init__(self, repositories: Mapping[str, Mapping[str, Files]], main: str) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.repositories, self.main = repositories, main
        self.asked: list[str] = []
        self.breaks = False
        self.refuses_all = False
        self.changed: set[str] = set()
        self.etag = ""  # of every file, in the place of its digest
        self.said = ""  # by the last fetch, to stderr

    def fetch(self, repository: str, revision: str, home: Path, **environment: str) -> list[str]:
        """What `hub.fetch` returns (folder, commit) or raises (class, message)."""
        return self.run(FETCH, repository, revision, home=home, **environment)

    def run(self, code: str, *words: str, home: Path, **environment: str) -> Any:
        """What a program prints, as JSON, whose hub this is."""
        env = os.environ | {
            "HF_ENDPOINT": f"http://127.0.0.1:{self.server_port}",
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            **environment,
        }
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        self.said = done.stderr
        return json.loads(done.stdout)


@contextmanager
def serving(repositories: Mapping[str, Mapping[str, Files]], main: str = COMMIT) -> Iterator[Hub]:
    """Serve repositories while the block runs."""
    hub = Hub(repositories, main)
    thread = threading.Thread(target=hub.serve_forever)
    thread.start()
    yield hub
    hub.shutdown()
    thread.join()
    hub.server_close()


class _Answers(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self):
        self.server.asked.append(self.path)
        kind, content, commit = self._answer(self.path.split("?")[0].strip("/").split("/"))
        if isinstance(content, str):
            self._send(kind, b"", {"X-Error-Code": content})
        else:
            name = self.path.rpartition("/")[2]
            etag = f'"{self.server.etag or _digest(name, content)}"'
            if name in self.server.changed:
                content = content[:-1] + bytes([content[-1] ^ 1])
            self._send(kind, content, {"ETag": etag, "X-Repo-Commit": commit})

    def do_HEAD(self):
        self.do_GET()

    def _answer(self, parts):
        if parts[:2] == ["api", "models"]:
            repository, what, revision = "/".join(parts[2:4]), *parts[4:6]
        elif parts[2:3] == ["resolve"]:
            repository, what, revision = "/".join(parts[:2]), "resolve", parts[3]
        else:
            return 404, "EntryNotFound", ""
        if self.server.refuses_all:
            return 401, "", ""
        if repository == "org/gated":
            return 403, "GatedRepo", ""
        commits = self.server.repositories.get(repository)
        if commits is None:
            return 404, "RepoNotFound", ""
        commit = self.server.main if revision == "main" else revision
        if commit not in commits:
            return 404, "RevisionNotFound", ""
        files = commits[commit]
        if what == "resolve":
            return 200, files["/".join(parts[4:])], commit
        return 200, json.dumps(_listing(what, repository, commit, files)).encode(), commit

    def _send(self, status, content, headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[: len(content) // 2] if self.server.breaks else content)

    def log_message(self, *args):
        pass


def _digest(name, content):
    """As the hub names contents: large files by SHA-256, others as git does."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _listing(what, repository, commit, files):
    if what == "revision":
        return {"id": repository, "sha": commit, "siblings": [{"rfilename": n} for n in files]}
    return [
        {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
        for name, content in files.items()
    ]
