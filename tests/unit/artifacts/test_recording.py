"""What a stage has learned so far stays until DVC has its out."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from pipeline import recording
from pipeline.errors import PipelineError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.processes.journal import Journal
from tests.support.prediction_builder import a_prediction


FOLDER = Path(".checkpoints")


@pytest.fixture(autouse=True)
def no_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("train: {lr: 0.5, steps: 3}\n")
    for name in ("DVC_ROOT", recording.STAGE, recording.BY_STARTER):
        monkeypatch.delenv(name, raising=False)


def ended(name="train-x-0"):
    """A stage has written its out; both kinds of what it keeps."""
    checkpoint, journal = Checkpoint(name, {}), Journal(Prediction, name, {})
    for value in (1.0, 2.0):
        checkpoint.save({"weight": torch.tensor(value)}, {})
    journal.append("job", [a_prediction()])
    checkpoint.delete()
    journal.delete()


def files():
    return sorted(path.suffix for path in FOLDER.iterdir()) if FOLDER.is_dir() else []


def lock(lr=0.5, **stages):
    """What DVC has recorded: a word for each stage, and the rate that all were run with."""
    of_params = f"    params:\n      params.yaml:\n        train.lr: {lr}\n"
    entries = [
        f"  train@{name}-0:\n    cmd: {word}\n{of_params}    outs:\n    - path: x\n"
        for name, word in stages.items()
    ]
    Path("dvc.lock").write_text("schema: '2.0'\nstages:\n" + "".join(entries))


def begin(monkeypatch, stage):
    monkeypatch.setenv(recording.STAGE, stage)
    recording.begin()


KEPT = [".ended", ".ended", ".jsonl", ".safetensors", ".safetensors"]


def test_without_dvc_it_goes_with_the_out():
    ended()
    assert files() == []


def test_with_dvc_it_stays_until_the_out_is_recorded(monkeypatch):
    lock(x="old", y="old")
    begin(monkeypatch, "train@x-0")
    ended()
    assert files() == KEPT
    lock(x="old", y="new")  # as `dvc repro -k` goes on where x could not be recorded
    begin(monkeypatch, "train@z-0")
    assert files() == KEPT
    lock(x="new", y="new")
    begin(monkeypatch, "train@z-0")
    assert files() == []


def test_what_is_recorded_of_other_parameters_is_another_run(monkeypatch):
    """A smaller run while the disk is full; and `git checkout dvc.lock`."""
    lock(x="old")
    begin(monkeypatch, "train@x-0")
    ended()
    for other in ({"x": "new", "lr": 0.25}, {}, {"y": "new"}):
        lock(**other)
        begin(monkeypatch, "train@z-0")
        assert files() == KEPT
    Path("dvc.lock").unlink()
    begin(monkeypatch, "train@z-0")
    assert files() == KEPT
    Path("params.yaml").write_text("train: {lr: 0.25}\n")
    lock(x="new")  # of the rate that it was run with, whatever params.yaml says now
    begin(monkeypatch, "train@z-0")
    assert files() == []


def test_the_first_record_of_a_stage_is_one(monkeypatch):
    begin(monkeypatch, "train@x-0")
    ended()
    begin(monkeypatch, "train@y-0")
    assert files() == KEPT
    lock(x="new")
    begin(monkeypatch, "train@y-0")
    assert files() == []


def test_the_same_stage_goes_on_from_it(monkeypatch):
    begin(monkeypatch, "train@x-0")
    ended()
    begin(monkeypatch, "train@x-0")
    saved = Checkpoint("train-x-0", {}).load()
    assert saved is not None
    assert saved[0]["weight"] == 2
    assert Journal(Prediction, "train-x-0", {}).load()
    lock(x="new")
    begin(monkeypatch, "train@y-0")
    assert files() == [".jsonl", ".safetensors", ".safetensors"]


def test_an_experiment_of_another_folder_leaves_it_alone(monkeypatch, tmp_path):
    """A queue's experiments share the project's `.checkpoints/`."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    begin(monkeypatch, "train@x-0")
    ended()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    lock(x="new")
    begin(monkeypatch, "train@x-0")
    assert len([*(tmp_path / FOLDER).iterdir()]) == len(KEPT)


def test_what_is_recorded_of_other_inputs_is_another_run(monkeypatch):
    """`git checkout dvc.lock`, or an experiment that is applied: of the same rate, other tasks."""

    def of_tasks(now, read, word):
        Path("dvc.lock").write_text(
            "schema: '2.0'\nstages:\n  tasks:\n    cmd: y\n    outs:\n    - path: data/tasks\n"
            f"      hash: md5\n      md5: {now}\n      size: 7\n    - path: other\n      md5: x\n"
            f"  train@x-0:\n    cmd: {word}\n    deps:\n    - path: data/tasks\n      hash: md5\n"
            f"      md5: {read}\n    - path: code.py\n      md5: any\n    outs:\n    - path: x\n"
        )

    of_tasks("new", "old", "before")
    begin(monkeypatch, "train@x-0")
    ended()
    of_tasks("older", "older", "committed")
    begin(monkeypatch, "report")
    assert files() == KEPT
    of_tasks("new", "new", "recorded")
    begin(monkeypatch, "report")
    assert files() == []


def test_what_is_recorded_of_other_code_is_another_run(monkeypatch):
    """Another branch has its own record of the same stage, parameters and inputs."""
    lock(x="old")
    begin(monkeypatch, "train@x-0")
    ended()
    branch = {"pipeline/artifacts.py": "0" * 64}
    for note in FOLDER.glob("*.ended"):
        content = json.loads(note.read_text())
        assert len(content["code"]) > 50
        note.write_text(json.dumps(content | {"code": branch | {note.name: None}}))
    lock(x="of another branch")
    begin(monkeypatch, "train@z-0")
    kept = files()
    assert kept.count(".ended") == 1  # of each stage the last; a stage has one kind of file
    for note in FOLDER.glob("*.ended"):
        note.write_text(json.dumps(json.loads(note.read_text()) | {"code": {}}))
    begin(monkeypatch, "train@z-0")
    assert files() == []


def test_of_stages_of_folders_that_are_gone_the_last_is_kept(monkeypatch, tmp_path):
    """Experiments that train alone left two files each, for ever."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    for number, (name, stage) in enumerate([("a", "x"), ("b", "x"), ("c", "x"), ("d", "y")]):
        folder = tmp_path / f"exps/{name}"
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        Path("params.yaml").write_text("train: {lr: 0.5}\n")
        begin(monkeypatch, f"train@{stage}-0")
        checkpoint = Checkpoint(f"train-{name}", {})
        checkpoint.save({"weight": torch.tensor(1.0)}, {})
        checkpoint.delete()
        (note,) = (tmp_path / FOLDER).glob(f"train-{name}*.ended")
        os.utime(note, (number, number))
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "exps/a")
    shutil.rmtree(tmp_path / "exps/b")
    begin(monkeypatch, "train@z-0")

    def left():
        return sorted(path.name.split(".")[0][:7] for path in (tmp_path / FOLDER).glob("*.ended"))

    assert left() == ["train-b", "train-c", "train-d"]
    shutil.rmtree(tmp_path / "exps")
    begin(monkeypatch, "train@z-0")
    assert left() == ["train-c", "train-d"]
    assert len([*(tmp_path / FOLDER).glob("*.safetensors")]) == 2


def test_a_starter_says_itself_what_is_recorded(monkeypatch):
    """`make repro` writes dvc.lock at its end."""
    begin(monkeypatch, "train@x-0")
    ended()
    lock(x="new")
    monkeypatch.setenv(recording.BY_STARTER, "1")
    begin(monkeypatch, "train@y-0")
    assert files() == KEPT
    recording.recorded(recording.notes_of("train@y-0"))
    assert files() == KEPT
    recording.recorded(recording.notes_of("train@x-0"))
    assert files() == []


def test_a_damaged_checkpoint_goes_with_dvc_too(monkeypatch):
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    checkpoint = Checkpoint("train-x-0", {})
    checkpoint.save({"weight": torch.tensor(1.0)}, {})
    checkpoint.path.write_bytes(b"damaged")
    with pytest.raises(PipelineError, match="damaged checkpoint"):
        checkpoint.load()
    assert files() == []


def test_a_note_removes_nothing_of_another_folder():
    FOLDER.mkdir()
    Path("mine").touch()
    notes = [FOLDER / f"{number}.ended" for number in range(3)]
    lock(x="new")
    text = Path("params.yaml").read_text()
    here = {"stage": "train@x-0", "folder": str(Path.cwd()), "recorded": "other", "params": text}
    notes[0].write_text(json.dumps(here | {"files": ["../mine", "/etc/hostname", ""]}))
    for number, damage in enumerate(("{", "[]", "null", "{}", '{"folder": 1}')):
        (FOLDER / f"damaged-{number}.ended").write_text(damage)
    recording.clear_recorded()
    recording.recorded(notes[2:])
    assert Path("mine").exists()
    assert not notes[0].exists()
    assert len(files()) == 5
