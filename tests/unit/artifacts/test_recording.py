"""What a stage has learned so far stays until DVC has its out."""

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
from tests.support import dvc_records
from tests.support.prediction_builder import a_prediction


FOLDER = Path(".checkpoints")
OUT = Path("models/x/seed-0")
KEPT = [".ended", ".ended", ".jsonl", ".safetensors", ".safetensors"]


@pytest.fixture(autouse=True)
def no_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DVC_ROOT", recording.STAGE, recording.BY_STARTER):
        monkeypatch.delenv(name, raising=False)


def wrote(learned, out=OUT):
    out.mkdir(parents=True, exist_ok=True)
    (out / "theta").write_text(learned)
    (out / "progress").write_text("of all steps")


def ended(learned="new", out=OUT):
    """A stage has written its out; both kinds of what it keeps."""
    checkpoint, journal = Checkpoint("train-x-0", {}), Journal(Prediction, "train-x-0", {})
    for value in (1.0, 2.0):
        checkpoint.save({"weight": torch.tensor(value)}, {})
    journal.append("job", [a_prediction()])
    wrote(learned, out)
    checkpoint.delete(out)
    journal.delete(out)


def files():
    return sorted(path.suffix for path in FOLDER.iterdir()) if FOLDER.is_dir() else []


def begin(monkeypatch, stage):
    monkeypatch.setenv(recording.STAGE, stage)
    recording.begin()


def test_without_dvc_it_goes_with_the_out():
    ended()
    assert files() == []


def test_with_dvc_it_stays_until_the_out_is_recorded(monkeypatch):
    wrote("old")
    dvc_records.record("train@x-0", OUT)
    begin(monkeypatch, "train@x-0")
    ended()
    assert files() == KEPT
    dvc_records.record("train@y-0", OUT)  # as `dvc repro -k` goes on where x could not be recorded
    dvc_records.in_cache(OUT).unlink()
    begin(monkeypatch, "train@z-0")
    assert files() == KEPT
    dvc_records.record("train@x-0", OUT)
    begin(monkeypatch, "train@z-0")
    assert files() == []


def test_other_bytes_that_are_recorded_are_another_run(monkeypatch):
    """A smaller run while the disk is full; `git checkout dvc.lock`; another machine's record."""
    begin(monkeypatch, "train@x-0")
    ended()
    shutil.rmtree(OUT)  # as DVC does when the stage is started again
    for other in ("of a smaller run", "of another machine"):
        wrote(other)
        dvc_records.record("train@x-0", OUT)
        begin(monkeypatch, "train@z-0")
        assert files() == KEPT
    dvc_records.name_in_lock("train@x-0")
    begin(monkeypatch, "train@z-0")
    assert files() == KEPT
    Path("dvc.lock").unlink()
    begin(monkeypatch, "train@z-0")
    assert files() == KEPT
    wrote("new")
    dvc_records.record("train@x-0", OUT)
    begin(monkeypatch, "train@z-0")
    assert files() == []


def test_what_is_made_again_to_the_byte_is_recorded(monkeypatch):
    """As by `dvc repro -f`, or in a clone whose cache has it."""
    wrote("new")
    dvc_records.record("train@x-0", OUT)
    begin(monkeypatch, "train@x-0")
    ended()
    begin(monkeypatch, "train@z-0")
    assert files() == []


def test_what_the_cache_has_not_taken_whole_is_not_recorded(monkeypatch):
    """A full disk: DVC writes the list of files and its lock, not the model, and says so alone."""
    begin(monkeypatch, "train@x-0")
    ended()
    dvc_records.record("train@x-0", OUT)
    dvc_records.in_cache(OUT / "theta").unlink()
    begin(monkeypatch, "train@z-0")
    assert ".ended" in files()
    dvc_records.put_into_cache(OUT)
    begin(monkeypatch, "train@z-0")
    assert files() == []


@pytest.mark.parametrize("has", ["the lock", "the cache"])
def test_where_the_lock_alone_has_it_all_stay_where_the_cache_has_the_last(monkeypatch, has):
    """The cache is full or not found; another branch's lock was checked out after the record."""
    for number, learned in enumerate(("first", "last")):
        begin(monkeypatch, "train@x-0")
        checkpoint = Checkpoint(f"train-{learned}", {})
        checkpoint.save({"weight": torch.tensor(1.0)}, {})
        wrote(learned)
        checkpoint.delete(OUT)
        (note,) = FOLDER.glob(f"train-{learned}*.ended")
        os.utime(note, (number, number))
        if has == "the cache":
            dvc_records.put_into_cache(OUT)
            dvc_records.name_in_lock("train@x-0", note)  # other bytes
        else:
            dvc_records.name_in_lock("train@x-0", OUT)
        begin(monkeypatch, "train@z-0")
        assert learned in {path.name.split("-")[1] for path in FOLDER.glob("*.ended")}
    left = {path.name.split("-")[1] for path in FOLDER.glob("*.ended")}
    assert left == ({"last"} if has == "the cache" else {"first", "last"})


def test_an_out_that_another_machine_of_the_ranks_has_is_not_waited_for(monkeypatch):
    begin(monkeypatch, "train@x-0")
    checkpoint = Checkpoint("train-x-0", {})
    checkpoint.save({"weight": torch.tensor(1.0)}, {})
    checkpoint.delete(OUT)
    assert files() == []


def test_the_same_stage_goes_on_from_it(monkeypatch):
    begin(monkeypatch, "train@x-0")
    ended()
    begin(monkeypatch, "train@x-0")
    saved = Checkpoint("train-x-0", {}).load()
    assert saved is not None
    assert saved[0]["weight"] == 2
    assert Journal(Prediction, "train-x-0", {}).load()
    dvc_records.record("train@x-0", OUT)
    begin(monkeypatch, "train@y-0")
    assert files() == [".jsonl", ".safetensors", ".safetensors"]


def test_an_experiment_of_another_folder_leaves_it_alone(monkeypatch, tmp_path):
    """A queue's experiments share the project's `.checkpoints/`."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    begin(monkeypatch, "train@x-0")
    ended()
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    wrote("new")
    dvc_records.record("train@x-0", OUT)
    begin(monkeypatch, "train@x-0")
    assert len([*(tmp_path / FOLDER).iterdir()]) == len(KEPT)


def test_of_stages_of_folders_that_are_gone_the_last_is_kept(monkeypatch, tmp_path):
    """Experiments that train alone left two files each, for ever. What the cache lacks stays."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    stages = {"lost": "x", "a": "x", "b": "x", "c": "x", "d": "y"}
    for number, (name, stage) in enumerate(stages.items()):
        folder = tmp_path / f"exps/{name}"
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        begin(monkeypatch, f"train@{stage}-0")
        checkpoint = Checkpoint(f"train-{name}", {})
        checkpoint.save({"weight": torch.tensor(1.0)}, {})
        wrote(name)
        checkpoint.delete(OUT)
        if name != "lost":
            dvc_records.put_into_cache(OUT)
            shutil.copytree(dvc_records.CACHE, tmp_path / dvc_records.CACHE, dirs_exist_ok=True)
        (note,) = (tmp_path / FOLDER).glob(f"train-{name}*.ended")
        os.utime(note, (number, number))
    monkeypatch.chdir(tmp_path)
    for name in ("lost", "a", "b"):
        shutil.rmtree(tmp_path / "exps" / name)
    begin(monkeypatch, "train@z-0")

    def left():
        return sorted(path.name.split(".")[0][:7] for path in (tmp_path / FOLDER).glob("*.ended"))

    assert left() == ["train-b", "train-c", "train-d", "train-l"]
    shutil.rmtree(tmp_path / "exps")
    begin(monkeypatch, "train@z-0")
    assert left() == ["train-c", "train-d", "train-l"]
    assert len([*(tmp_path / FOLDER).glob("*.safetensors")]) == 3


def test_a_starter_says_itself_what_is_recorded(monkeypatch):
    """`make repro` writes dvc.lock at its end."""
    begin(monkeypatch, "train@x-0")
    ended()
    dvc_records.record("train@x-0", OUT)
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
