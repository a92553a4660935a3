"""The stage as the user runs it: its outs, its exit code, its one line of error."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.persona.corpus import archive, source
from stages.download import download
from stages.shell import console
from tests.support.archives import packed
from tests.support.file_server import serve
from tests.wiring.closure import ROOT


PACKED = {name: f"1 your persona: i am {name}.\n".encode() for name in archive.WANTED}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    """An empty project folder, with the committed parameters at a small size."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["stages.download"])
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("PERSONACHAT_TGZ", raising=False)
    monkeypatch.delenv("PERSONACHAT_URL", raising=False)
    set_data()
    return folder


def set_data(**values) -> None:
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load((ROOT / "presets/embedded.yaml").read_text(encoding="utf-8"))
    small = {"people": {"train": 2, "valid": 1, "test": 1}, "dialogues": 2, "pretrain_lines": 20}
    params["data"]["synthetic"].update(small)
    params["data"].update(values)
    with Path("params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def command() -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "stages.download"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fails_with_one_line(capsys) -> str:
    """Run the stage in this process as `python -m stages.download` does."""
    with pytest.raises(SystemExit) as caught:
        console.run(download)
    assert caught.value.code == 1
    return one_line(capsys.readouterr().err)


def one_line(err: str) -> str:
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def left() -> set[str]:
    """What the stage left behind, besides what waits in the checkpoints."""
    return {path.name for path in Path("data").glob("*")}


@pytest.fixture
def tgz(tmp_path) -> Path:
    return packed(PACKED, tmp_path / "corpus.tgz")


def test_the_command_writes_both_outs_and_nothing_else():
    process = command()
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.count("\n") == 1
    assert left() == {"raw", "pretrain.txt"}
    raw = {path.name for path in artifacts.RAW.iterdir()}
    assert raw == {*archive.WANTED, "oracle.json", "source.json"}
    assert artifacts.PRETRAIN_TEXT.stat().st_size > 0


def test_the_same_parameters_give_the_same_bytes():
    with pytest.raises(SystemExit):
        console.run(download)
    first = {p.name: p.read_bytes() for p in (*artifacts.RAW.iterdir(), artifacts.PRETRAIN_TEXT)}
    with pytest.raises(SystemExit):
        console.run(download)
    second = {p.name: p.read_bytes() for p in (*artifacts.RAW.iterdir(), artifacts.PRETRAIN_TEXT)}
    assert first == second


def test_source_json_says_where_the_data_came_from(tmp_path, tgz):
    text = tmp_path / "dialogue.txt"
    text.write_bytes(b"hello\n")
    set_data(source=str(tgz), pretrain=str(text))
    download()
    record = artifacts.RAW_SOURCE.read_text(encoding="utf-8")
    content = artifacts.read_json(artifacts.RAW_SOURCE, made_by="download")
    params = content.pop("params")["data"]
    assert params["longest"] > 0
    assert params["sha256"] == sha256(tgz.read_bytes()).hexdigest()  # of what was read
    beside = content.pop("files")
    assert {n: beside[n] for n in PACKED} == {n: sha256(PACKED[n]).hexdigest() for n in PACKED}
    assert content == {
        "corpus": {
            "kind": "archive",
            "source": "corpus.tgz",
            "sha256": sha256(tgz.read_bytes()).hexdigest(),
            "files": {name: sha256(content).hexdigest() for name, content in PACKED.items()},
        },
        "pretrain": {
            "kind": "file",
            "source": "dialogue.txt",
            "sha256": sha256(b"hello\n").hexdigest(),
            "text_sha256": sha256(b"hello\n").hexdigest(),
        },
    }
    assert str(tmp_path) not in record
    assert artifacts.PRETRAIN_TEXT.read_bytes() == b"hello\n"
    assert not artifacts.RAW_ORACLE.exists()


def test_without_text_for_pretraining_the_out_is_empty(tgz):
    set_data(source=str(tgz), pretrain=None)
    download()
    assert artifacts.PRETRAIN_TEXT.read_bytes() == b""


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"source": "no/such.tgz"}, "data.source: no/such.tgz: no such file or folder"),
        ({"source": "http://host/x.tgz"}, "a URL as data.source needs data.sha256"),
        ({"pretrain": "no/such.txt"}, "data.pretrain: no/such.txt: no such file"),
        ({"sourec": "synthetic"}, "data.sourec: unknown key"),
    ],
)
def test_a_wrong_parameter_is_one_line_and_exit_code_1(capsys, values, match):
    set_data(**values)
    assert match in fails_with_one_line(capsys)
    assert left() == set()


def test_the_command_itself_ends_with_one_line_too(tgz):
    tgz.write_bytes(tgz.read_bytes()[:-20])
    set_data(source=str(tgz))
    process = command()
    out, err = process.communicate()
    assert (process.returncode, out) == (1, "")
    assert "corpus.tgz: truncated, damaged or no .tgz archive" in one_line(err)
    assert left() == set()


def test_a_wrong_checksum_leaves_neither_data_nor_the_bad_file(capsys, tgz):
    with serve(tgz.read_bytes()) as server:
        set_data(source=server.url, sha256="0" * 64)
        line = fails_with_one_line(capsys)
    assert f"sha256 is {sha256(tgz.read_bytes()).hexdigest()}, expected {'0' * 64}" in line
    assert left() == set()
    assert list(artifacts.CHECKPOINTS.rglob("*.tgz")) == []
    assert [p for p in artifacts.CHECKPOINTS.rglob("*") if p.is_file()] == []


def test_a_failure_keeps_what_an_earlier_run_made(capsys, tgz):
    download()
    before = {path.name: path.read_bytes() for path in artifacts.RAW.iterdir()}
    tgz.write_bytes(b"nonsense")
    set_data(source=str(tgz))
    fails_with_one_line(capsys)
    assert {path.name: path.read_bytes() for path in artifacts.RAW.iterdir()} == before
    assert left() == {"raw", "pretrain.txt"}


def test_a_full_disk_is_one_line_and_nothing_half_written(capsys, tgz, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "data/pretrain.txt")

    set_data(source=str(tgz))
    monkeypatch.setattr(archive.tarfile, "copyfileobj", full)
    assert "no space left on the disk" in fails_with_one_line(capsys)
    assert left() == set()


def test_ctrl_c_while_the_text_is_written_leaves_no_corpus_either(capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(source.synthetic, "pretrain_text", interrupted)
    with pytest.raises(SystemExit):
        console.run(download)
    assert left() == set()


def test_ctrl_c_during_a_transfer_goes_on_in_the_next_run(tgz):
    content = tgz.read_bytes()
    with serve(content, cuts=[100], hang=True) as server:
        set_data(source=server.url, sha256=sha256(content).hexdigest())
        process = command()
        partial = artifacts.CHECKPOINTS / "download" / f"{sha256(content).hexdigest()}.partial"
        deadline = time.monotonic() + 30
        while not (partial.is_file() and partial.stat().st_size):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert "interrupted" in one_line(err)
        assert left() == set()
        server.released.set()
        download()
    assert server.requests[1]["Range"] == "bytes=100-"
    assert left() == {"raw", "pretrain.txt"}


@pytest.mark.real_data
def test_the_real_archive_ends_in_its_known_checksum(real_data):
    set_data(source=str(real_data / "personachat/personachat_partial.tgz"), pretrain=None)
    download()
    known = "7fa3b37f5e332f1507086aadc9f02c569e90aedd14a5745a2daf4e8e0bd99230"
    assert json.loads(artifacts.RAW_SOURCE.read_text())["corpus"]["sha256"] == known
    assert {path.name for path in artifacts.RAW.iterdir()} == {*archive.WANTED, "source.json"}
