"""A file of the user's in a folder that a stage replaces: refused by name before work begins."""

from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.atomic import one_at_a_time
from pipeline.errors import DataError, DivergedError
from pipeline.evaluation.report.files import FIGURES
from pipeline.learning.p2bot.receiver import files
from stages.meta_train import meta_train
from stages.p2bot.p2_receiver import p2_receiver
from stages.p2bot.p2_selfplay import p2_selfplay
from stages.report import report
from stages.train import train


REPLACING = {
    "train": (lambda: train("x", 0), artifacts.model_dir("x", 0)),
    "meta_train": (lambda: meta_train("x", 0), artifacts.model_dir("x", 0)),
    "p2_selfplay": (lambda: p2_selfplay("x", 0), artifacts.model_dir("x", 0)),
    "p2_receiver": (lambda: p2_receiver(0), artifacts.receiver_dir(0)),
    "report": (report, artifacts.REPORT),
    "report's figures": (report, artifacts.REPORT / FIGURES),
}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    """Without params.yaml: nothing was read when the file is refused."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", REPLACING)
def test_a_file_of_the_users_is_refused_before_anything_is_read(name):
    stage, folder = REPLACING[name]
    folder.mkdir(parents=True)
    notes = folder / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(DataError, match=rf"^{notes}: not written by this stage.* move it"):
        stage()
    assert notes.read_text() == "mine"


def test_a_file_that_came_during_training_is_not_replaced():
    folder = artifacts.receiver_dir(0)
    files.save_untrained(0, "no persona sentences")
    files.save_untrained(0, "no persona sentences")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"notes\.txt: not written by this stage"):
        files.save_untrained(0, "no persona sentences")
    assert Path(folder / "notes.txt").read_text() == "mine"


def test_a_folder_with_a_file_of_the_users_is_refused_before_work_begins(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "theta").write_text("of an earlier run")
    (out / "notes.txt").write_text("of the user")

    @one_at_a_time(lambda: out, ("theta",))
    def stage() -> None:
        raise AssertionError("work has begun")

    with pytest.raises(DataError, match=r"notes\.txt: not written by this stage.* move it"):
        stage()
    assert {path.name for path in out.iterdir()} == {"theta", "notes.txt"}


def test_a_run_that_diverged_removes_what_a_stage_writes_and_no_more(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "theta").write_text("of an earlier run")

    @one_at_a_time(lambda: out, ("theta", "record"))
    def stage(*, noted: bool) -> None:
        if noted:
            (out / "notes.txt").write_text("of the user, written meanwhile")
        raise DivergedError("step 7: the loss is nan")

    with pytest.raises(DivergedError):
        stage(noted=True)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]
    (out / "notes.txt").unlink()
    with pytest.raises(DivergedError):
        stage(noted=False)
    assert not out.exists()
