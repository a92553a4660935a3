"""The hub's client against a small hub of our own, each time in a fresh process and cache."""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import DownloadError, ModelError
from pipeline.model.pretraining import hub
from tests.support.hub_server import COMMIT, serving
from tests.wiring.closure import ROOT


FILES = {
    "config.json": b'{"model_type": "gpt2"}',
    "model.safetensors": b"weights" * 1000,
    "merges.txt": b"#version\n",
    "pytorch_model.bin": b"a pickle",
    "onnx/model.safetensors": b"another format",
    "train.py": b"code",
}


@pytest.fixture
def server():
    with serving({"org/gpt2": {COMMIT: FILES}}) as server:
        yield server


@pytest.fixture
def fetch(server, tmp_path):
    return partial(server.fetch, home=tmp_path / "home")


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


def test_a_cache_that_was_filled_file_by_file_does_not_know_what_it_lacks(server, tmp_path):
    run = partial(server.run, home=tmp_path / "home")
    for name in ("config.json", "model.safetensors"):
        run(f"from huggingface_hub import *; hf_hub_download('org/gpt2', {name!r}); print(0)")
    asks = "from pipeline.model.pretraining.hub import *; import json, sys; "
    listed = f"{asks}print(json.dumps(has_listing('org/gpt2', fetch('org/gpt2', 'main')[1])))"
    assert run(listed, HF_HUB_OFFLINE="1") is False
    assert run(listed) is True
    assert run(listed, HF_HUB_OFFLINE="1") is True


@pytest.mark.parametrize("name", ["model.safetensors", "merges.txt"])
def test_other_bytes_of_the_right_length_are_refused(fetch, server, name):
    server.changed = {name}
    kind, error = fetch("org/gpt2", COMMIT)
    assert kind == "DownloadError"
    found = re.search(
        rf"{name} is another file .*is (\w+), expected (\w+)\); delete (\S+) and", error
    )
    assert len(found[1]) == len(found[2]) == (64 if name == "model.safetensors" else 40)
    server.changed = set()
    assert fetch("org/gpt2", COMMIT) == [kind, error]  # the cache has it
    Path(found[3]).unlink()
    folder, commit = fetch("org/gpt2", COMMIT)
    assert (commit, (Path(folder) / name).read_bytes()) == (COMMIT, FILES[name])


def test_a_file_that_was_changed_in_the_cache_is_refused(fetch):
    folder, _ = fetch("org/gpt2", COMMIT)
    path = Path(folder) / "config.json"
    path.write_bytes(FILES["config.json"].replace(b"gpt2", b"gpt3"))
    kind, error = fetch("org/gpt2", COMMIT, HF_HUB_OFFLINE="1")
    assert kind == "DownloadError"
    assert "config.json is another file than the hub says" in error


def test_a_file_of_which_the_cache_has_no_digest_is_refused(fetch):
    folder, _ = fetch("org/gpt2", COMMIT)
    path = Path(folder) / "config.json"
    path.unlink()
    path.write_bytes(FILES["config.json"])
    (Path(folder) / "pytorch_model.bin").write_bytes(b"of somebody else, and never read")
    kind, error = fetch("org/gpt2", COMMIT, HF_HUB_OFFLINE="1")
    assert kind == "DownloadError"
    assert "config.json cannot be checked" in error


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


@pytest.mark.parametrize("there", [True, False])
def test_a_password_in_the_hubs_address_is_shown_nowhere(fetch, server, there):
    port = server.server_port if there else 9
    server.refuses_all = there
    revision = "main" if there else COMMIT  # of a commit the files are asked for, more than once
    kind, error = fetch("org/gpt2", revision, HF_ENDPOINT=f"http://ann:word7@127.0.0.1:{port}")
    assert kind == "DownloadError"
    assert "word7" not in error + server.said
    assert f"http://127.0.0.1:{port}/api" in error or not there


@pytest.mark.parametrize("endpoint", ["http://[", "http://host:word7", "http://host:99999"])
def test_a_hub_address_that_is_none_is_one_line_before_anything_is_imported(endpoint):
    command = [sys.executable, "-m", "stages.base"]
    env = os.environ | {"HF_ENDPOINT": endpoint}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: HF_ENDPOINT of the environment is no URL; correct it\n"


@pytest.mark.parametrize("proxy", ["socks5://user7:word7@host:1", "foo://user7:word7@host"])
def test_a_proxy_that_cannot_be_used_is_one_line(fetch, proxy):
    kind, error = fetch("org/gpt2", "main", ALL_PROXY=proxy)
    assert kind == "DownloadError"
    assert "ALL_PROXY" in error
    assert "word7" not in error


def test_certificates_that_cannot_be_read_are_named(fetch, tmp_path):
    path = str(tmp_path / "none.pem")
    kind, error = fetch("org/gpt2", "main", SSL_CERT_FILE=path)
    assert kind == "DownloadError"
    assert f"not asked: SSL_CERT_FILE of the environment, {path}, holds no certificates" in error


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


@pytest.mark.parametrize("error", [ValueError("no JSON"), TypeError("no list"), KeyError("sha")])
def test_an_answer_that_is_no_hubs_is_one_line(error, monkeypatch):
    """A page that asks for a login, with status 200."""

    def fail(*args, **keywords):
        raise error

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(DownloadError, match=r"no hub's answer \(\w+\); does the network ask for a"):
        hub.fetch("org/gpt2", COMMIT)


def test_a_hub_that_names_a_place_as_a_files_digest_writes_nothing_there(fetch, server, tmp_path):
    """The client takes an ETag for the name of a blob, whatever path it is."""
    server.etag = f"{tmp_path}/x.pth"
    kind, error = fetch("org/gpt2", COMMIT)
    assert kind == "DownloadError"
    assert "ETag is" in error
    assert "nothing was written" in error
    assert not [*tmp_path.glob("x.pth*")]


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
