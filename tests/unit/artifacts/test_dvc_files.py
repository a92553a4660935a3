"""Whether DVC's cache has what its lock says, and whose inputs a record was made from."""

import json
from pathlib import Path

import pytest
import torch

from pipeline import recording
from pipeline.dvc_files import entry_of, is_cached, outs_of, text_of
from pipeline.model.checkpoint.checkpoint import Checkpoint


LOCK = """schema: '2.0'
stages:
  train@x-0:
    cmd: {word}
    outs:
    - path: models/x/seed-0
      hash: md5
      md5: aa11.dir
      size: 7
      nfiles: 2
  finetune@x:
    cmd: {word}
    deps:
    - path: models/x
      hash: md5
      md5: {model}.dir
    outs:
    - path: predictions/x.jsonl
      hash: md5
      md5: bb22
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", recording.STAGE, recording.BY_STARTER):
        monkeypatch.delenv(name, raising=False)
    Path("params.yaml").write_text("{}\n")
    Path("dvc.lock").write_text(LOCK.format(word="old", model="cc"))


def put(digest, content="x", cache=Path(".dvc/cache")):
    path = cache / "files/md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def fill(cache=Path(".dvc/cache")):
    put(
        "aa11.dir",
        json.dumps([{"md5": "dd1", "relpath": "a"}, {"md5": "ee2", "relpath": "b"}]),
        cache,
    )
    put("dd1", cache=cache)
    put("ee2", cache=cache)


def finished():
    checkpoint = Checkpoint("train-x-0", {})
    checkpoint.save({"weight": torch.tensor(1.0)}, {})
    checkpoint.delete()


def kept():
    return len([*Path(".checkpoints").glob("*")])


@pytest.mark.parametrize("config", ["config", "config.local", None])
def test_a_folder_is_cached_with_every_file_of_it(config, tmp_path):
    cache = Path(".dvc/cache") if config is None else tmp_path / "disk"
    if config is not None:
        Path(".dvc").mkdir()
        (Path(".dvc") / config).write_text(f"[core]\n    x = 1\n[cache]\n    dir = {cache}\n")
    entry = entry_of("train@x-0")
    assert outs_of(entry) == {"models/x/seed-0": "aa11.dir"}
    assert outs_of(text_of(Path("dvc.lock")))["predictions/x.jsonl"] == "bb22"
    assert not is_cached(entry)
    fill(cache)
    assert is_cached(entry)
    (cache / "files/md5/ee/2").unlink()
    assert not is_cached(entry)
    put("aa11.dir", "[", cache)
    assert not is_cached(entry)


def test_the_users_own_configuration_may_name_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    config = tmp_path / "home/.config/dvc/config"
    config.parent.mkdir(parents=True)
    config.write_text("[cache]\n    dir = ~/disk\n")
    fill(tmp_path / "home/disk")
    assert is_cached(entry_of("train@x-0"))
    monkeypatch.delenv("HOME")
    assert not is_cached(entry_of("train@x-0"))


def test_what_the_cache_has_not_taken_whole_is_not_recorded(monkeypatch):
    """A full disk: DVC writes the list of files and its lock, not the model, and says so alone."""
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    finished()
    Path("dvc.lock").write_text(LOCK.format(word="new", model="cc"))
    fill()
    Path(".dvc/cache/files/md5/ee/2").unlink()
    recording.begin()
    assert kept() == 2
    put("ee2")
    recording.begin()
    assert kept() == 0


def test_a_fine_tuning_of_another_model_is_another_run(monkeypatch):
    """Its input is the folder of all seeds; what is recorded of each is another path."""
    monkeypatch.setenv(recording.STAGE, "finetune@x")
    finished()
    put("bb22")
    other = LOCK.format(word="new", model="ff").replace("aa11", "aa99")
    Path("dvc.lock").write_text(other)
    recording.begin()
    assert kept() == 2
    Path("dvc.lock").write_text(LOCK.format(word="new", model="cc"))
    recording.begin()
    assert kept() == 0


def test_a_note_that_is_none_of_a_file_or_nests_without_end_is_passed_over(monkeypatch):
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    finished()
    folder = Path(".checkpoints")
    (folder / "folder.ended").mkdir()
    (folder / "link.ended").symlink_to("link.ended")
    (folder / "deep.ended").write_text("[" * 200_000)
    (folder / "large.ended").write_bytes(b" " * (5 << 20))
    recording.begin()
    assert kept() == 6
