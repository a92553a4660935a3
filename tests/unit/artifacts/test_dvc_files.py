"""Digests of outs as DVC has them, and whether its cache has what its lock names."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

from pipeline.dvc_files import digest_of, is_cached, outs_of
from tests.support import dvc_records


OUT = Path("models/x/seed-0")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    OUT.mkdir(parents=True)
    for name in ("theta", "progress"):
        (OUT / name).write_text(name)
    Path("x.jsonl").write_text("[]\n")


def test_dvc_itself_has_the_same_digests_and_its_cache_has_them(monkeypatch):
    from dvc.repo import Repo

    for name in [name for name in os.environ if name.startswith(("DVC_", "GIT_"))]:
        monkeypatch.delenv(name)
    far = Path("models", "x" * 60, "seed-0")  # DVC writes a long path on a line of its own
    far.parent.mkdir()
    shutil.copytree(OUT, far)
    (OUT / "a").mkdir()
    (OUT / "a/deep é \"'.txt").write_bytes(b"\r\n\0")
    (OUT / "a.txt").write_text("beside its folder")
    (OUT / "empty").mkdir()
    outs = [str(OUT), str(far), "x.jsonl"]
    one = {"foreach": ["x-0"], "do": {"cmd": "true", "outs": outs}}
    stages = {"train": one, "other": {"cmd": "true"}}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    with Repo.init(no_scm=True) as repo:
        expected = {out: digest_of(Path(out)) for out in outs}
        assert not is_cached(expected)
        repo.commit(force=True)
    assert outs_of("train@x-0") == expected
    assert is_cached(expected)
    assert outs_of("other") == outs_of("none") == {}


def test_a_lock_has_outs_of_many_stages_and_each_its_own():
    assert outs_of("train@x-0") == {}
    dvc_records.record("train@x-0", OUT)
    dvc_records.record("finetune@x", Path("x.jsonl"))
    assert outs_of("train@x-0") == {str(OUT): digest_of(OUT)}
    assert outs_of("finetune@x") == {"x.jsonl": digest_of(Path("x.jsonl"))}


@pytest.mark.parametrize("config", ["config", "config.local", None])
def test_a_folder_is_cached_with_every_file_of_it(config, tmp_path):
    outs = {str(OUT): digest_of(OUT)}
    dvc_records.put_into_cache(OUT)
    if config is not None:
        (Path(".dvc") / config).write_text(f"[core]\n    x = 1\n[cache]\n    dir = {tmp_path}/c\n")
        assert not is_cached(outs)
        Path(".dvc/cache").rename("c")
    assert is_cached(outs)
    cache = Path("c" if config else ".dvc/cache") / "files/md5"
    theta = digest_of(OUT / "theta")
    (cache / theta[:2] / theta[2:]).unlink()
    assert not is_cached(outs)
    listing = outs[str(OUT)]
    (cache / listing[:2] / listing[2:]).write_text("[")
    assert not is_cached(outs)


@pytest.mark.parametrize("says", ["user", "system", "DVC_SYSTEM_CONFIG_DIR"])
def test_a_users_or_a_systems_configuration_may_name_the_cache(says, tmp_path, monkeypatch):
    for name in ("XDG_CONFIG_HOME", "DVC_SYSTEM_CONFIG_DIR", "DVC_GLOBAL_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path}/system:/etc/xdg")
    folders = {"user": "home/.config/dvc", "system": "system/dvc", "DVC_SYSTEM_CONFIG_DIR": "own"}
    config = tmp_path / folders[says] / "config"
    if says == "DVC_SYSTEM_CONFIG_DIR":
        monkeypatch.setenv(says, str(config.parent))
    config.parent.mkdir(parents=True)
    config.write_text("[cache]\n    dir = ~/disk\n")
    dvc_records.put_into_cache(OUT)
    (tmp_path / "home").mkdir(exist_ok=True)
    Path(".dvc/cache").rename(tmp_path / "home/disk")
    assert is_cached({str(OUT): digest_of(OUT)})
    monkeypatch.delenv("HOME")
    assert not is_cached({str(OUT): digest_of(OUT)})
