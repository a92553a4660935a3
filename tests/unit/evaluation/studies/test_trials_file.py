"""Trials of `tune` say of which run they are, and a study keeps and shows none of another run."""

import csv
import io

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.studies.trials_file import READ, tuned_from
from pipeline.evaluation.studies.tuning import Trial, TrialCost, trials_csv
from pipeline.outs import write_record
from pipeline.params import Settings
from pipeline.params.edit import with_values
from pipeline.params.stated import Made
from stages.few_shot.conflict import conflict
from stages.few_shot.kept_runs import keep
from stages.few_shot.shot_tests import shot_tests_command
from stages.studies import tune as module
from tests.support.toy_project import toy_params, write_project
from tests.unit.evaluation.few_shot.test_kept_runs import BY_K, ROWS, write_run
from tests.wiring.closure import ROOT


FILE = artifacts.tuning_file("in_place")
COST = TrialCost(steps=1, best_step=1, replies=1, outer_replies=1, operations=1)
TRIAL = Trial(point={"outer_lr": 0.01}, nats=2.0, epoch=1, cost=COST)
DIGESTS = {path: name[0] * 64 for name, path in READ.items()}
NOTE = "not kept: trials of another run, or they do not say of which; `python -m stages.tune in_pl"


def run_with(folder, *edits, **columns):
    """A run with trials of its own, and then edited."""
    run = write_run(folder, ROWS)
    own = tuned_from("in_place", Settings.load(run / artifacts.PARAMS), [], DIGESTS)
    artifacts.write_text(run / FILE, trials_csv([TRIAL], made_from=own | columns))
    text = (run / artifacts.PARAMS).read_text()
    artifacts.write_text(run / artifacts.PARAMS, with_values(text, edits))
    return run


def is_kept(run, study, capsys):
    """Whether the run's trials are kept; exactly one note says so if they are not."""
    capsys.readouterr()
    keep(run, study, "a")
    said = " ".join(capsys.readouterr().err.split())
    there = (study / "runs/a" / FILE).is_file()
    assert said.count(NOTE) == (not there)
    return there


@pytest.mark.parametrize("command", [shot_tests_command, conflict])
def test_the_projects_own_trials_are_not_filed_as_another_runs(command, tmp_path, capsys):
    run = write_run(tmp_path / "a", ROWS)
    for name in ("in_place", "transfer"):
        file = artifacts.tuning_file(name)
        artifacts.write_text(run / file, (ROOT / file).read_text())
    command([run], study=tmp_path / "study")
    said = " ".join(capsys.readouterr().err.split())
    assert f"a: {FILE}, {artifacts.tuning_file('transfer')}: {NOTE}" in said
    assert not [*(tmp_path / "study").rglob("*.csv")]


@pytest.mark.parametrize(
    ("edit", "kept"),
    [
        ("inner_lr=0.123", True),  # the trials vary it
        ("finetune.lr=0.123", True),
        ("variants.in_place.set={inner_lr: 0.2}", True),
        ("finetune.by_k={in_place: [{k: 1, optimizer: sgd, lr: 0.1, epochs: 1}]}", True),
        ("finetune.k=[0, 1, 3]", True),
        ("seeds=[0, 1]", True),
        ("score.bootstrap_samples=107", True),
        ("train.lr=0.123", True),  # of the other method
        ("outer_steps=7", False),
        ("variants.in_place.set={outer_steps: 7}", False),
        ("variants.in_place.init=random", False),
        ("finetune.epochs=[0, 1]", False),
        ("tasks.seed=7", False),
        ("generate.max_new_tokens=2", False),  # it leaves more room for dialogues
    ],
)
def test_trials_are_the_runs_while_what_they_read_and_do_not_vary_is_the_same(
    edit, kept, tmp_path, capsys
):
    assert is_kept(run_with(tmp_path / "run", edit), tmp_path / "study", capsys) == kept


@pytest.mark.parametrize("name", READ)
def test_trials_of_other_people_or_of_another_base_are_left_out(name, tmp_path, capsys):
    run, study = run_with(tmp_path / "run"), tmp_path / "study"
    place = run / READ[name]
    artifacts.write_text(place if place.suffix else place / "file", "its own")
    assert not is_kept(run, study, capsys)
    run_with(run, **{name: artifacts.sha256_of(place)})
    assert is_kept(run, study, capsys)


def test_trials_of_a_variant_that_the_run_lacks_are_left_out(tmp_path, capsys):
    run = run_with(tmp_path / "run")
    (run / FILE).rename(run / artifacts.tuning_file("in_place_gone"))
    assert not is_kept(run, tmp_path / "study", capsys)


def test_own_trials_that_were_kept_are_not_lost_to_anothers(tmp_path, capsys):
    run, study = run_with(tmp_path / "run"), tmp_path / "study"
    assert is_kept(run, study, capsys)
    artifacts.write_text(run / FILE, (ROOT / FILE).read_text())
    with pytest.raises(DataError, match=rf"kept before, but .* has no {FILE} of its own"):
        keep(run, study, "a")
    assert (study / "runs/a" / FILE).is_file()


@pytest.mark.parametrize("cell", ["[1]", "{"])
def test_a_damaged_cell_is_one_line(cell, tmp_path):
    run = run_with(tmp_path / "run", made_with=cell)
    with pytest.raises(DataError, match=r"in_place.csv: made_with: .*; run .*stages.tune in_place"):
        keep(run, tmp_path / "study", "a")


def test_rates_that_do_not_say_how_they_were_made_are_named(tmp_path, capsys):
    run = write_run(tmp_path / "run", {})
    artifacts.write_text(run / "tuning/in_place_by_k.csv", BY_K)
    keep(run, tmp_path / "study", "a")
    said = " ".join(capsys.readouterr().err.split())
    assert "tuning/in_place_by_k.csv: of an older version, so the parameters that made" in said
    assert "`python -m stages.rates in_place` makes one anew" in said


def test_a_study_shows_no_trials_of_other_parameters(tmp_path):
    assert [*Study("a", run_with(tmp_path / "a")).trials] == ["in_place"]
    run = run_with(tmp_path / "b", "outer_steps=7")
    with pytest.raises(DataError, match=rf"{FILE}: made with outer_steps .* has 7; run .*tune in_"):
        _ = Study("b", run).trials


def test_what_made_tasks_and_base_is_said_and_not_what_params_yaml_has_now(tmp_path):
    settings = Settings.load(write_run(tmp_path / "run", {}) / artifacts.PARAMS)
    made = [Made(artifacts.TASKS_SUMMARY, {"tasks": {"seed": 5}})]
    assert '"tasks": {"seed": 5}' in tuned_from("in_place", settings, made, DIGESTS)["made_with"]


@pytest.fixture
def folder(tmp_path, tokenizer, monkeypatch):
    """A project with the records of tasks and base, whose trials take no time."""
    write_project(tmp_path, tokenizer, toy_params())
    monkeypatch.chdir(tmp_path)
    write_record(artifacts.TASKS, artifacts.TASKS_SUMMARY.name, {"params": {"tasks": {"seed": 5}}})
    write_record(artifacts.BASE, artifacts.BASE_FACTS.name, {})
    monkeypatch.setattr(module, "run", lambda run, _: TRIAL.model_copy(update={"point": run.point}))
    return tmp_path


def test_tune_says_of_which_inputs_its_trials_are(folder):
    module.tune("in_place")
    rows = [*csv.DictReader(io.StringIO(FILE.read_text()))]
    digests = {name: artifacts.sha256_of(path) for name, path in READ.items()}
    assert all({name: row[name] for name in READ} == digests for row in rows)
    assert all('"tasks": {"seed": 5}' in row["made_with"] for row in rows)


def test_inputs_that_are_replaced_between_two_trials_are_refused(folder, monkeypatch):
    def then_replaced(*_):
        (artifacts.BASE / "another").write_text("file")
        return TRIAL

    monkeypatch.setattr(module, "run", then_replaced)
    with pytest.raises(DataError, match=f"^{artifacts.BASE}: replaced while it was read"):
        module.tune("in_place")
    assert not FILE.exists()
