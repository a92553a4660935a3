"""Runs of one name at once, each in a folder of its own: none fails, none loses anything."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.atomic import atomic_path
from pipeline.errors import BusyError
from pipeline.locks import LOCKS, Slot
from stages.train import train
from tests.support.processes import start
from tests.support.toy_project import toy_params, write_project
from tests.wiring.closure import ROOT


RUN = """
import sys, time
from pathlib import Path
from pipeline.locks import Slot
slot = Slot(Path(sys.argv[1]) / ".checkpoints", "train-x-0123", [".jsonl"])
slot.path.parent.mkdir(exist_ok=True)
slot.path.open("a").write(sys.argv[2])
print(slot.path.name, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory, beside that of other runs; `tmp_path` is their project."""
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path / "own")
    return tmp_path


@pytest.fixture
def others(folder):
    """Start runs in other folders; they are killed at the end."""
    running = []

    def run(text: str) -> tuple[subprocess.Popen, str]:
        place = folder / f"run{len(running)}"
        place.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(folder), text],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=place,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process, process.stdout.readline().strip()

    yield run
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


def slot(folder: Path) -> Slot:
    return Slot(folder / artifacts.CHECKPOINTS, "train-x-0123", [".jsonl"])


def test_a_second_run_of_a_name_has_files_of_its_own_and_leaves_the_firsts(folder, others):
    _, first = others("first")
    own = slot(folder)
    assert (first, own.path.name) == ("train-x-0123.jsonl", "train-x-0123.2.jsonl")
    own.path.write_text("second")
    own.delete()
    (left,) = (folder / artifacts.CHECKPOINTS).iterdir()
    assert (left.name, left.read_text()) == (first, "first")


def test_what_a_killed_run_left_is_gone_on_from(folder, others):
    """A third run goes on from the second's while the first is at work."""
    others("first")
    process, second = others("second")
    process.send_signal(signal.SIGKILL)
    process.wait()
    own = slot(folder)
    assert (second, own.path.name) == ("train-x-0123.2.jsonl",) * 2
    assert own.path.read_text() == "second"


def test_a_run_that_is_being_killed_is_waited_for(folder, others):
    process, name = others("half")
    process.kill()  # and not waited for
    assert slot(folder).path.name == name


def test_the_end_of_a_run_removes_what_killed_ones_left(folder, others):
    for text in ("first", "second"):
        process, _ = others(text)
    process.kill()
    process.wait()
    own = slot(folder)
    own.path.write_text("own")
    own.delete()
    (left,) = (folder / artifacts.CHECKPOINTS).iterdir()
    assert left.read_text() == "first"
    assert len(list((folder / LOCKS).iterdir())) == 1


def test_within_a_process_a_name_is_one_runs(folder):
    assert slot(folder).path == slot(folder).path


@pytest.mark.parametrize("project", [True, False])
def test_a_target_elsewhere_has_its_lock_there(folder, monkeypatch, project):
    """Two working directories: the lock of one would not be seen from the other."""
    target = folder / "shared" / "out"
    target.parent.mkdir()
    if project:
        (folder / ".dvc").mkdir()
    with atomic_path(target) as partial:
        (folder / "else").mkdir()
        monkeypatch.chdir(folder / "else")
        with pytest.raises(BusyError), atomic_path(target):
            pass
        partial.touch()
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def trained(root: Path) -> None:
    """Train under one `DVC_ROOT` for all, as `dvc exp run --temp` does."""
    os.environ["DVC_ROOT"] = str(root)
    train("transfer", 0)


def test_two_trainings_of_one_key_at_once_end_in_the_same_bytes(folder, tokenizer):
    params = toy_params()
    params["train"] |= {"steps": 30, "validate_every": 1}
    runs = [folder / f"exp{number}" for number in range(2)]
    for run in runs:
        run.mkdir()
        write_project(run, tokenizer, params)
    processes = [process for run in runs for process in start(trained, folder, folder=run)]
    for process in processes:
        process.join(200)
    assert [process.exitcode for process in processes] == [0, 0]
    outs = [artifacts.sha256_of(run / artifacts.model_dir("transfer", 0)) for run in runs]
    assert outs[0] == outs[1]
    assert not list((folder / artifacts.CHECKPOINTS).iterdir())


def test_of_several_ranks_on_a_machine_one_keeps_the_files(folder, monkeypatch):
    kept = slot(folder)
    kept.path.parent.mkdir()
    kept.path.write_text("kept")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert kept.shared
    kept.delete()
    assert kept.path.read_text() == "kept"
