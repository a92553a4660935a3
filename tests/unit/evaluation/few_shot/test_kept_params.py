"""A study's runs are kept beside the parameters that made them, wherever keeping is stopped."""

import json
from itertools import count

import pytest

from pipeline import artifacts, atomic
from pipeline.errors import DataError
from pipeline.evaluation.report.samples.few_shot import few_shot_replies
from stages.few_shot.conflict import conflict
from stages.few_shot.kept_params import KeptParams, recover, run_params
from stages.few_shot.kept_runs import keep, kept
from stages.few_shot.shot_tests import shot_tests_command
from tests.support.prediction_builder import a_prediction
from tests.support.training_runs import run as training_run
from tests.unit.evaluation.few_shot.test_kept_runs import ROWS, params, write_run
from tests.unit.evaluation.few_shot.test_made_from import made_from
from tests.unit.evaluation.few_shot.test_study_folder import files


class Stopped(BaseException):
    """A kill, in the middle of a test."""


RUNS = {
    "a": {"lr": 0.25, "by_k": {"x": {"k": 1}}, "scored": ["x"]},
    "b": {"lr": 0.5, "by_k": {"x": {"k": 2}}, "scored": ["x"]},
    "c": {"lr": 0.5, "by_k": {"x": {"k": 2}, "y": {"k": 2}}, "scored": ["x", "y"]},
}


def keep_params(study, name):
    """What `keep` does with a run's parameters."""
    own = KeptParams(study, name, json.dumps(RUNS[name]))
    with artifacts.atomic_path(study / "runs" / name) as folder:
        folder.mkdir()
        own.prepare(folder)
    own.replace()


@pytest.fixture
def stopped_after(monkeypatch):
    """Keeping run `a` stops after as many files have got their names; says whether it did."""
    publish = atomic._publish

    def stop(number, study):
        left = iter(range(number))

        def until(*args, **kwargs):
            if next(left, None) is None:
                raise Stopped
            publish(*args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr(atomic, "_publish", until)
            try:
                keep_params(study, "a")
            except Stopped:
                return True
        return False

    return stop


@pytest.mark.parametrize("then", ["a", "b"])
@pytest.mark.parametrize("before", ["", "a", "b", "ca"])
def test_wherever_keeping_is_stopped_every_run_has_its_own_parameters(
    before, then, stopped_after, tmp_path
):
    for number in count():
        study = tmp_path / f"{number}"
        for name in before:
            keep_params(study, name)
        more = stopped_after(number, study)
        there = {path.name for path in study.glob("runs/*")}
        assert there - {"a"} == {*before} - {"a"}
        assert [run_params(study, name) for name in there] == [RUNS[name] for name in there]
        keep_params(study, then)
        there |= {then}
        assert [run_params(study, name) for name in there] == [RUNS[name] for name in there]
        whole = tmp_path / f"{number}-at-once"
        for name in [*(one for one in there if one != then), then]:
            keep_params(whole, name)
        assert files(study) == files(whole)
        if not more:
            break
    assert number > 2


def test_what_else_than_the_dial_settings_differ_in_is_told(tmp_path, capsys):
    settings = {0.0: {}, 0.5: {}, 1.0: {"inner_lr": 0.9}}
    for setting, own in settings.items():
        values = params() | own
        values["data"]["synthetic"]["conflict"] = setting
        at_k = {"k": 1, "optimizer": "sgd", "lr": 0.25 + setting, "epochs": 1}
        values["finetune"]["by_k"] = {"transfer": [at_k]}
        conflict([write_run(tmp_path / f"{setting}", ROWS, values)], study=tmp_path / "study")
    said = " ".join(capsys.readouterr().err.split())
    assert "settings 0.0 and 1.0 differ in inner_lr, too; so the curve is not of the dial" in said
    assert said.count("differ in") == 1


CLAIM = {"a": "in_place", "b": "transfer", "question": "better?"}
OTHERWISE = {  # of run `a` than run `b`, which is kept last: what is said of it
    "scored": (
        ["transfer"],
        "scored without in_place; compare.claims without in_place - t",
    ),
    "claims": ([], "compare.claims without in_place - transfer (better?)"),
    "margin": (0.5, "compare.margin 0.5, not 0.01"),
    "permutations": (200, "compare.permutations 200, not 100"),
    "seed": (7, "compare.seed 7, not 0"),
}


def asking():
    compare = {"seed": 0, "permutations": 100, "margin": 0.01, "claims": [CLAIM]}
    return params() | {"scored": ["transfer", "in_place"], "compare": compare}


@pytest.mark.parametrize("key", OTHERWISE)
def test_whose_questions_are_answered_is_told_where_runs_ask_others(key, tmp_path, capsys):
    study, (value, said) = tmp_path / "study", OTHERWISE[key]
    a, b = asking(), asking()
    (a if key == "scored" else a["compare"])[key] = value
    runs = [write_run(tmp_path / n, ROWS, v) for n, v in (("a", a), ("b", b))]
    for given in (runs, []):
        shot_tests_command(given, study=study)
        told = " ".join(capsys.readouterr().err.split())
        assert told.count("asks otherwise") == 1
        whose = "study: answered as its params.yaml, that of b, asks; run a asks otherwise: "
        assert whose + said in told


def test_runs_that_ask_the_same_of_what_is_there_are_not_told_apart(tmp_path, capsys):
    """Of a row that no run has nothing is asked."""
    more = asking()
    more["scored"] = ["in_place", "transfer", "adapters"]
    more["compare"]["claims"] = [{"a": "adapters", "b": "transfer", "question": "?"}, CLAIM]
    runs = [write_run(tmp_path / n, ROWS, v) for n, v in (("a", more), ("b", asking()))]
    shot_tests_command(runs, study=tmp_path / "study")
    assert "asks" not in capsys.readouterr().err


def test_what_a_killed_run_left_is_no_run_of_the_study(tmp_path):
    study = tmp_path / "study"
    for name in "abc":
        keep(write_run(tmp_path / name, {}), study, name)
    place = study / "runs"
    (place / "a").rename(place / ".a.0123abcd.old.partial")
    (place / ".b.0123abcd.partial/shots").mkdir(parents=True)
    artifacts.write_text(place / "c/.changes.json.0123abcd.partial", "{")
    assert [folder.name for folder in kept(study)[1]] == ["a", "b", "c"]
    assert sorted(path.name for path in place.rglob(".*")) == []
    (place / ".b.0123abcd.partial").mkdir()
    with atomic.held(place / "b", "publish"):
        recover(study)
        assert [folder.name for folder in kept(study)[1]] == ["a", "b", "c"]
        assert (place / ".b.0123abcd.partial").is_dir()  # a run at work writes it


def said_by(values):
    """By file of a run, what it holds that these parameters made."""
    data, own = {"params": {"data": values["data"]}}, {"finetune": values["finetune"]}
    row = ROWS["transfer"].model_copy(update={"made_from": made_from(params=own)})
    records = [a_prediction(protocol="k_shot", k=k, epoch=k, greedy="hi") for k in (0, 3)]
    generate = made_from(params={"generate": values["generate"]})
    trained = training_run(name="transfer", method="train", params={"train": values["train"]})
    return {
        "data/raw/source.json": data,
        "data/tasks/summary.json": {"source": data, "params": {"tasks": values["tasks"]}},
        "models/base/base.json": {"source": "pretrain", "params": {"base": values["base"]}},
        "models/transfer/seed-0/variant.json": trained.content(),
        "shots/transfer.json": row.content(),
        "replies/transfer.json": few_shot_replies(records, generate).content(),
    }


EDITED = {
    "data/raw/source.json": ("data.synthetic.conflict", 0.75),
    "data/tasks/summary.json": ("data.synthetic.conflict", 0.75),
    "models/base/base.json": ("base.pretrain.steps", 7),
    "models/transfer/seed-0/variant.json": ("train.lr", 0.75),
    "shots/transfer.json": ("finetune.lr", 0.75),
    "replies/transfer.json": ("generate.top_p", 0.75),
}


@pytest.mark.parametrize("command", [conflict, shot_tests_command])
@pytest.mark.parametrize("file", EDITED)
def test_parameters_that_were_edited_after_the_run_are_not_kept(file, command, tmp_path):
    values, (key, edited) = params(), EDITED[file]
    values["variants"]["transfer"] = {"init": "pretrained"}
    run = write_run(tmp_path / "run", {}, values)
    artifacts.write_sealed(run / file, said_by(values)[file])
    if file.startswith("models/transfer"):
        model = artifacts.sha256_of((run / file).parent)
        row = ROWS["transfer"].model_copy(update={"made_from": made_from(models={0: model})})
        row = row.model_copy(update={"made_from": row.made_from.model_copy(update={"params": {}})})
        artifacts.write_sealed(run / "shots/transfer.json", row.content())
    keep(run, tmp_path / "as-it-was", "run")
    *sections, last = key.split(".")
    node = values
    for section in sections:
        node = node[section]
    before, node[last] = node[last], edited
    write_run(run, {}, values)
    with pytest.raises(DataError) as caught:
        command([run], study=tmp_path / "study")
    said = f"{run / file}: made with {key} {before}, but {run}/params.yaml has {edited}; run `py"
    assert str(caught.value).startswith(said)
    if file.startswith(("shots", "replies")):
        assert f"stages.{file[:6].rstrip('/')}" in str(caught.value)
        assert "dvc repro" not in str(caught.value)
    assert not (tmp_path / "study").exists()
