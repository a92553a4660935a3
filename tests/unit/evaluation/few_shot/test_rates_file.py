"""What was chosen on valid is what the shots were made with, of trials that are the run's."""

import json

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.few_shot.rates import RateTrial, chosen, rates_csv
from pipeline.evaluation.few_shot.rates_file import made_from_columns, used_rates
from pipeline.evaluation.kept.documents import curve
from pipeline.evaluation.kept.study import Study
from pipeline.params import AtK, Settings
from pipeline.params.stated import in_force
from stages.few_shot.conflict import conflict
from stages.few_shot.shot_tests import shot_tests_command
from tests.unit.evaluation.few_shot.test_kept_runs import ROWS, write_run
from tests.unit.evaluation.few_shot.test_made_from import MODEL, made_from


RATE = {"k": 1, "optimizer": "sgd", "lr": 0.1, "epochs": 2}
BY_K = [AtK.model_validate(RATE)]
TRIALS = [
    RateTrial(**RATE, nats=2.25),
    RateTrial(**RATE | {"optimizer": "adam", "lr": 0.003}, nats=2.0),
]
BETTER = "tuning/transfer_by_k.csv chooses adam 0.003 x 2; run `python -m stages.rates transfer "


def run_with(tmp_path, trials, columns=(), **changes):
    """A run whose `transfer` was fine-tuned by RATE at K = 1."""
    row = ROWS["transfer"].model_copy(update={"by_k": BY_K} | changes)
    run = write_run(tmp_path / "a", ROWS | {"transfer": row})
    text = rates_csv(trials, chosen(trials), seed=0, made_from=dict(columns))
    artifacts.write_text(run / "tuning/transfer_by_k.csv", text)
    return run


def chosen_of(study):
    return curve.sections(Study("study", study))["## What was chosen on valid"]


@pytest.mark.parametrize("command", [conflict, shot_tests_command])
def test_what_is_shown_as_chosen_is_what_the_shots_were_made_with(command, tmp_path, capsys):
    command([run_with(tmp_path, TRIALS)], study=tmp_path / "study")
    name = "0.0" if command is conflict else "a"
    said = f"runs/{name}, transfer, K = 1: shots were made with sgd 0.1 x 2, {BETTER}"
    assert said in capsys.readouterr().err
    if command is conflict:
        table, note = chosen_of(tmp_path / "study")
        assert table.split("\n")[2:] == ["| 0.0 | `transfer` | 1 | sgd | 0.1 | 2 | 2.250 |"]
        assert note.startswith(said)


def test_where_both_agree_nothing_is_said(tmp_path, capsys):
    trials = [TRIALS[0], TRIALS[1].model_copy(update={"nats": 3.0})]
    conflict([run_with(tmp_path, trials)], study=tmp_path / "study")
    assert "chooses" not in capsys.readouterr().err
    assert chosen_of(tmp_path / "study")[1:] == []


def test_a_rate_that_was_never_tried_and_one_of_the_section(tmp_path):
    """A K that `by_k` does not name was fine-tuned by section `finetune`."""
    finetune = {"optimizer": "sgd", "lr": 0.7, "epochs": [0, 1, 4]}
    said = made_from(params={"seeds": [0], "finetune": finetune})
    run = run_with(tmp_path, TRIALS, by_k=[], made_from=said)
    study = tmp_path / "study"
    (study / "runs").mkdir(parents=True)
    run.rename(study / "runs/0.5")
    one, five = (one for one in used_rates(study) if one.name == "transfer")
    assert (one.used, one.valid_nats, five.used, five.chosen) == (
        ("sgd", 0.7, 4), None, ("sgd", 0.7, 4), None
    )  # fmt: skip
    assert "made with sgd 0.7 x 4, " in one.note
    assert five.note is None
    table, _ = curve._chosen(Study("study", study))  # at K = 5 nothing was chosen
    assert table.split("\n")[2:] == ["| 0.5 | `transfer` | 1 | sgd | 0.7 | 4 | – |"]


def columns_of(run, section, **changes):
    values = in_force(Settings.load(run / artifacts.PARAMS), "transfer")
    values[section] |= changes
    own = {"seeds": [0], "finetune": values.pop("finetune")}
    return made_from_columns(made_from(params=own, made_with=values), 0, "d" * 64)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "epochs",
            [0, 9],
            r"made with finetune.epochs \[0, 9\], but .* run `.*rates transfer`",
        ),
        ("batch_size", 3, "made with finetune.batch_size 3, but .*params.yaml has null"),
        ("lr", 9.0, None),  # a trial has its own
        ("by_k", {"transfer": [RATE]}, None),
        ("train.lr", 7.0, "made with train.lr 7.0, but .* has"),  # of a model that is gone
    ],
)
def test_trials_of_other_parameters_are_not_kept(key, value, said, tmp_path):
    section, _, key = f"finetune.{key}".rpartition(".")
    section = section.removeprefix("finetune.")
    columns = columns_of(write_run(tmp_path / "a", ROWS), section, **{key: value})
    run = run_with(tmp_path, TRIALS, {"made_with": columns["made_with"]}, by_k=[])
    if said is None:
        conflict([run], study=tmp_path / "study")
        return
    with pytest.raises(DataError, match=f"a/tuning/transfer_by_k.csv: {said}"):
        conflict([run], study=tmp_path / "study")
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("column", "path"),
    [("base", artifacts.BASE), ("valid", artifacts.tasks_file("valid")), ("model", MODEL)],
)
def test_trials_of_another_base_of_other_people_or_another_model_are_not_kept(
    column, path, tmp_path
):
    run = run_with(tmp_path, TRIALS, {column: "c" * 64}, by_k=[])
    where = run / path
    artifacts.write_text(where if where.suffix else where / "file", "another")
    with pytest.raises(DataError, match=rf"transfer_by_k.csv: belongs to a {path} of SHA-256 c+…"):
        conflict([run], study=tmp_path / "study")


@pytest.mark.parametrize("cell", ["[1]", "{", '{"k": 1, "k": 2}', "[" * 20_000])
def test_a_damaged_cell_is_one_line(cell, tmp_path):
    run = run_with(tmp_path, TRIALS, {"made_with": cell})
    with pytest.raises(DataError, match=r"by_k.csv: made_with: .*; run .*stages.rates transfer`$"):
        conflict([run], study=tmp_path / "study")


def test_the_columns_hold_what_the_trials_share():
    columns = made_from_columns(made_from(), 0, "d" * 64)
    assert [*columns] == ["model", "base", "valid", "made_with"]
    assert json.loads(columns["made_with"]) == {"finetune": {"k": [0, 1]}}
