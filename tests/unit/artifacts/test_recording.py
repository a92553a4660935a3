"""What a stage has learned so far stays until DVC has its out."""

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


def test_without_dvc_it_goes_with_the_out():
    ended()
    assert files() == []


def test_with_dvc_it_stays_until_the_out_is_recorded(monkeypatch):
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    ended()
    assert files() == [".ended", ".jsonl", ".safetensors", ".safetensors"]
    recording.recorded("train@y-0")
    assert len(files()) == 4
    recording.recorded("train@x-0")
    assert files() == []


def test_the_same_stage_goes_on_from_it(monkeypatch):
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    ended()
    recording.begin()
    saved = Checkpoint("train-x-0", {}).load()
    assert saved is not None
    assert saved[0]["weight"] == 2
    assert Journal(Prediction, "train-x-0", {}).load()
    recording.recorded("train@x-0")  # killed meanwhile, then another stage's turn
    assert files() == [".jsonl", ".safetensors", ".safetensors"]


def test_what_the_same_stage_had_learned_with_other_parameters_goes_with_its_next_end(monkeypatch):
    """Two experiments of a queue, one after the other."""
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    ended("train-x-0")
    recording.begin()
    ended("train-x-1")
    assert len(files()) == 7
    recording.recorded("train@x-0")
    assert files() == []


@pytest.mark.parametrize("starter", [False, True])
def test_dvc_starts_another_stage_when_it_has_recorded_those_before(starter, monkeypatch):
    """`make repro` starts stages side by side, and says itself what is recorded."""
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    ended()
    monkeypatch.setenv(recording.STAGE, "train@y-0")
    if starter:
        monkeypatch.setenv(recording.BY_STARTER, "1")
    recording.begin()
    assert len(files()) == 4 * starter


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
    (FOLDER / "train@x-0.ended").write_text("../mine\n/etc/hostname\n\n")
    recording.recorded("train@x-0")
    assert Path("mine").exists()
    assert files() == []


@pytest.mark.parametrize("folder", ["models", "metrics/details", "data"])
def test_outs_out_of_the_project_are_refused_before_any_work(folder, tmp_path, monkeypatch):
    """DVC would say so after the training."""
    project, disk = tmp_path / "project", tmp_path / "disk"
    disk.mkdir()
    (project / folder).parent.mkdir(parents=True)
    monkeypatch.chdir(project)
    (project / folder).symlink_to(disk)
    recording.begin()  # without DVC that is a place like any other
    monkeypatch.setenv(recording.STAGE, "train@x-0")
    with pytest.raises(PipelineError, match=rf"^{folder}: leads to .*/disk, out of the project"):
        recording.begin()
    (project / folder).unlink()
    (project / "inside").mkdir()
    (project / folder).symlink_to(project / "inside")
    recording.begin()
