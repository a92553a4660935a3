"""Tuning's rules: order of the grid, the criterion, what is written."""

import csv
import io

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.errors import ParamsError, TrainingError
from pipeline.evaluation.studies.tuning import (
    Trial,
    TrialCost,
    at_the_edge,
    best,
    criterion,
    grid,
    trials_csv,
    tuned,
)
from pipeline.params import Settings, Variant, load_preset, read_yaml
from pipeline.params.line import variant_line
from tests.support.prediction_builder import a_prediction
from tests.wiring.closure import ROOT


def trial(nats: float | None, **point: float) -> Trial:
    cost = TrialCost(steps=10, best_step=5, replies=160, outer_replies=160, operations=7)
    epoch = None if nats is None else 1
    return Trial(point=point or {"train.lr": 0.1}, nats=nats, epoch=epoch, cost=nats and cost)


def test_the_grid_begins_with_the_first_values_and_varies_the_first_key_most():
    values = {"train.lr": [1, 2, 3], "finetune.lr": [10, 20, 30]}
    assert [tuple(point.values()) for point in grid(values, 6)] == [
        (1, 10),
        (2, 10),
        (1, 20),
        (3, 10),
        (2, 20),
        (1, 30),
    ]


def test_the_whole_grid_holds_every_point_once():
    points = grid({"a": [1, 2, 3], "b": [1, 2], "c": [1, 2]}, 100)
    assert len({tuple(point.items()) for point in points}) == len(points) == 12


def test_the_criterion_is_the_headlines():
    """(3 + 1) / 4 tokens at epoch 0, (2 + 1 + 3 + 1) / 8 at epoch 1; test cannot change it."""
    valid = [
        a_prediction(split="valid", epoch=0, turn=0),
        a_prediction(split="valid", epoch=0, turn=1),
        a_prediction(split="valid", epoch=1, turn=0, nll=2.0),
        a_prediction(split="valid", epoch=1, turn=1),
    ]
    test = [a_prediction(epoch=0, nll=0.0, nll_end=0.0), a_prediction(epoch=1, nll=90.0)]
    assert criterion([*valid, *test]) == (1, pytest.approx(7 / 8, abs=1e-15))


def test_the_lowest_nll_wins_the_first_of_equal_ones_and_none_that_diverged():
    trials = [trial(None), trial(2.0), trial(1.5), trial(1.5)]
    assert best(trials) is trials[2]
    with pytest.raises(TrainingError, match="every trial diverged"):
        best([trial(None), trial(None)])
    with pytest.raises(TrainingError, match="every trial diverged"):
        trials_csv([trial(None)], made_from={})


def test_a_best_rate_at_the_edge_of_the_grid_is_said():
    values = {"outer_lr": [0.003, 0.01, 0.001], "inner_lr": [0.1], "meta_gradient": ["a", "b"]}
    inside = {"outer_lr": 0.003, "inner_lr": 0.1, "meta_gradient": "a"}
    assert at_the_edge(trial(1.0, **inside), values) == []
    (said,) = at_the_edge(trial(1.0, **inside | {"outer_lr": 0.01}), values)
    assert said == "outer_lr 0.01 is the highest of the grid; widen it"


def test_every_trial_is_a_row_those_that_diverged_too():
    text = trials_csv([trial(None), trial(1.25), trial(1.5)], made_from={"base": "b"})
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[0] == {
        "trial": "1",
        "train.lr": "0.1",
        "valid_nats": "inf",
        "epoch": "",
        "chosen": "false",
        **dict.fromkeys(TrialCost.model_fields, ""),
        "base": "b",
    }
    assert (rows[1]["valid_nats"], rows[1]["epoch"], rows[1]["replies"]) == ("1.25", "1", "160")
    assert [row["chosen"] for row in rows] == ["false", "true", "false"]


def test_the_printed_line_is_a_variant_of_params_yaml():
    values = read_yaml(ROOT / "presets/embedded.yaml")
    variant = Variant(
        init="pretrained", adapters=True, freeze_base=True, set={"outer_steps": 7, "inner_lr": 9.0}
    )
    line = tuned("extra_place", variant, trial(1.0, inner_lr=0.00001, **{"finetune.lr": 0.3}))
    assert "\n" not in line
    read = YAML(typ="safe", pure=True).load(f"variants:\n  {line}\n")["variants"]
    assert list(read) == ["extra_place_tuned"]
    expected = variant.model_copy(
        update={"set": {"outer_steps": 7, "inner_lr": 0.00001, "finetune.lr": 0.3}}
    )
    settings = Settings(values | {"variants": values["variants"] | read}, "params.yaml")
    assert settings.check().variants["extra_place_tuned"] == expected


@pytest.mark.parametrize("preset", ["embedded", "small", "paper", "real_cpu", "real_gpu"])
def test_every_grid_begins_with_the_values_in_force(preset):
    """So the first trial is the variant as it is, and what is chosen is no worse on valid."""
    values = load_preset(preset, ROOT / "presets").check().model_dump()
    for method in ("train", "meta_train"):
        first = grid(values["tune"][method], 1)[0]
        assert "finetune.lr" in first
        for key, value in first.items():
            node = values
            for part in key.split("."):
                node = node[part]
            assert node == value, key


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trials", 10, r"tune: .*train has 9 points, for 10 trials"),
        ("train", {"train.lr": [1.0, -1.0], "finetune.lr": [1.0, 2.0, 3.0]}, r"greater than 0"),
        ("meta_train", {"outer_rate": [1, 2, 3, 4, 5]}, r"outer_rate: there is no such parameter"),
        ("train", {"train.lr": []}, r"tune.train.train.lr: .*at least 1 item"),
    ],
)
def test_impossible_grids_are_refused(key, value, message):
    values = read_yaml(ROOT / "presets/embedded.yaml")
    values["tune"][key] = value
    with pytest.raises(ParamsError, match=message):
        Settings(values, "params.yaml").check()


@pytest.mark.parametrize(("name", "method"), [("transfer", "train"), ("in_place", "meta_train")])
def test_the_committed_trials_are_those_of_the_embedded_preset(name, method):
    """Every trial at its point of the grid, the lowest chosen, and the documents quote it."""
    params = Settings.load(ROOT / "presets/embedded.yaml").check()
    points = grid(getattr(params.tune, method), params.tune.trials)
    with (ROOT / artifacts.tuning_file(name)).open() as file:
        rows = list(csv.DictReader(file))
    assert [{key: float(row[key]) for key in points[0]} for row in rows] == points
    nats = [float(row["valid_nats"]) for row in rows]
    assert [row["chosen"] for row in rows] == ["true" if n == min(nats) else "false" for n in nats]
    shown = (ROOT / artifacts.STUDIES / "equal_budget/README.md").read_text()
    for row in rows:
        tried = ", ".join(f"`{key}` {row[key]}" for key in points[0])
        assert f"| `{name}` | {tried} | {float(row['valid_nats']):.3f} |" in shown


def test_the_documents_rows_are_the_studys():
    """And what is called tuned there has the values of the trial that was chosen."""
    study = read_yaml(ROOT / artifacts.STUDIES / "equal_budget/params.yaml")["variants"]
    rows = {name: row for name, row in study.items() if name.startswith("in_place_")}
    assert len(rows) == 3
    shown = (ROOT / artifacts.STUDIES / "equal_budget/README.md").read_text()
    for name, row in rows.items():
        assert f"  {variant_line(name, Variant.model_validate(row))}\n" in shown
    with (ROOT / artifacts.tuning_file("in_place")).open() as file:
        (best,) = (row for row in csv.DictReader(file) if row["chosen"] == "true")
    assert rows["in_place_tuned"]["set"] == {
        key: float(best[key]) for key in ("outer_lr", "inner_lr", "finetune.lr")
    }
