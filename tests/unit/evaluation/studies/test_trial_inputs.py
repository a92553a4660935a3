"""A trial of `stages.tune` reads tasks and base as their stages wrote them, or none is run."""

import pytest

from pipeline import artifacts, outs
from pipeline.errors import DataError
from pipeline.params import Settings
from stages.shell import trial
from stages.studies.tune import tune
from tests.support.toy_project import toy_params, write_project


VARIANT = "in_place"


@pytest.fixture
def folder(tmp_path, tokenizer, monkeypatch):
    """A project whose tasks and base have the records that their stages write."""
    write_project(tmp_path, tokenizer, toy_params())
    monkeypatch.chdir(tmp_path)
    outs.write_record(artifacts.TASKS, artifacts.TASKS_SUMMARY.name, {})
    outs.write_record(artifacts.BASE, artifacts.BASE_FACTS.name, {})
    return tmp_path


@pytest.mark.parametrize(
    ("path", "made_by"),
    [
        (artifacts.tasks_file("train"), "tasks"),
        (artifacts.tasks_file("valid"), "tasks"),
        (artifacts.BASE / "config.json", "base"),
    ],
    ids=str,
)
def test_no_trial_runs_on_damaged_inputs(folder, monkeypatch, path, made_by):
    monkeypatch.setattr(trial, "_stage", lambda *_: pytest.fail("a stage was started"))
    path.write_text(path.read_text() + " ")
    with pytest.raises(DataError, match=rf"^{path}: changed or damaged .*stages\.{made_by}`"):
        tune(VARIANT)


def test_a_trial_has_no_record_of_its_own_of_linked_tasks(folder, monkeypatch):
    """What is damaged after the trial has begun is refused by the trial's stages."""
    params = trial.Run(VARIANT, "meta_train", 1, {}).params(Settings.load())
    trial._prepare(folder / "trial", params)
    monkeypatch.chdir(folder / "trial")
    outs.refuse_damaged(artifacts.TASKS)
    monkeypatch.chdir(folder)
    artifacts.tasks_file("train").write_text("damaged\n")
    trial._prepare(folder / "trial", params)
    monkeypatch.chdir(folder / "trial")
    with pytest.raises(DataError, match=r"^data/tasks/train\.jsonl: changed or damaged"):
        outs.refuse_damaged(artifacts.TASKS)
