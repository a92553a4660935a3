"""A trial of `stages.tune` is of the code, tasks and base that its folder is named by, or none."""

import shutil

import pytest

from pipeline import artifacts, outs
from pipeline.errors import CodeError, DataError
from pipeline.params import Settings
from stages.shell import trial
from stages.studies.tune import tune
from tests.support.toy_project import toy_params, write_project
from tests.wiring.closure import ROOT


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


@pytest.fixture
def code(tmp_path_factory, monkeypatch):
    """A copy of the code, which a trial's stages are taken to run."""
    copy = tmp_path_factory.mktemp("code")
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    whole = trial.stages_sha256
    monkeypatch.setattr(trial, "stages_sha256", lambda *names: whole(*names, project=copy))
    return copy


def edit(file):
    file.write_text(file.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")


def test_a_trial_is_of_the_code_that_its_stages_run(folder, code):
    """None of it is code that `tune` imports."""
    asked = trial.Run(VARIANT, "meta_train", 1, {})
    params = asked.params(Settings.load())
    before = asked.folder(params)
    edit(code / "pipeline/learning/p2bot/self_play/rewards.py")  # which no trial runs
    names = [before, asked.folder(params)]
    for file in ("training/rate.py", "meta/maml.py", "finetuning/updates.py"):
        edit(code / "pipeline/learning" / file)
        names.append(asked.folder(params))
    assert (names[1], len(set(names))) == (before, 4)


@pytest.mark.parametrize("during", ["meta_train", "finetune"])
def test_what_stages_of_other_code_made_is_not_kept(folder, code, monkeypatch, during):
    """A stage began after an edit and came through: its model would count as the old code's."""

    def stage(where, name, *rest):
        model = where / artifacts.model_dir(VARIANT, int(rest[1])) if rest[1:] else None
        if model is not None:
            model.mkdir(parents=True)
        if name == during:
            edit(code / "pipeline/learning/meta/maml.py")
        return name == "meta_train"

    made = {"steps": 1, "best_step": 1, "replies": 1, "outer_replies": 1, "operations": 1}
    record = trial.VariantFile.model_construct(**made)
    monkeypatch.setattr(trial, "read", lambda *_, **__: record)
    monkeypatch.setattr(trial, "_stage", stage)
    with pytest.raises(CodeError, match=r"were edited while a trial of in_place ran; run the same"):
        tune(VARIANT)
    left = [*(folder / artifacts.CHECKPOINTS).glob("tune-*/*")]
    assert {path.name for path in left} == {artifacts.PARAMS.name, "data"}
