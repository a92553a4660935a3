"""The start that chat and export adapt: whose scores it goes by."""

import json
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.evaluation.personal.start import load_start
from stages.commands.export import export
from tests.conftest import tiny_gpt2
from tests.support.exports import save_variant, write_base
from tests.support.sealed import edit_sealed
from tests.support.toy_project import toy_params, write_params


COMMITTED = Path(__file__).resolve().parents[4] / artifacts.details_file("in_place")
FOREIGN = (
    "metrics/details/in_place.json is of another run; run `python -m stages.finetune in_place`, "
    "then `python -m stages.score in_place` (or `dvc repro`)"
)


@pytest.fixture
def here(tokenizer, tmp_path, monkeypatch):
    """A folder with a trained variant, and most epochs 3."""
    monkeypatch.chdir(tmp_path)
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1))
    params = toy_params()
    params["finetune"]["epochs"] = [0, 1, 2, 3]
    write_params(tmp_path, params)
    save_variant()
    return tmp_path


def of_what_is_there():
    return {
        "tasks": artifacts.sha256_of(artifacts.TASKS),
        "base": artifacts.sha256_of(artifacts.BASE),
        "models": {"0": artifacts.sha256_of(artifacts.model_dir("in_place", 0))},
    }


def scored(epoch, **made_from):
    details = artifacts.read_json(COMMITTED, made_by="score in_place")
    details["made_from"].pop("made_with", None)
    details["headline"]["epoch"] = epoch
    details["made_from"] |= of_what_is_there() | made_from
    artifacts.write_sealed(artifacts.details_file("in_place"), details)


def test_a_card_says_which_seeds_its_numbers_are_of(here):
    scored(2)
    export("in_place", here / "alone")
    assert "together" not in (here / "alone/README.md").read_text()
    path = artifacts.details_file("in_place")
    edit_sealed(path, lambda details: details["counts"].update(seeds=[0, 1, 4]))
    export("in_place", here / "out")
    said = (
        "All numbers are of training seeds 0, 1, 4 together; this model is of one of them, seed 0."
    )
    assert said in (here / "out/README.md").read_text()


def test_scores_of_what_is_there_say_the_epochs(here, caplog):
    scored(2)
    export("in_place", here / "out")
    assert load_start("in_place", 0).epochs == 2
    assert "after 2 epochs" in (here / "out/README.md").read_text()
    assert caplog.messages == []


@pytest.mark.parametrize(
    "other",
    [
        {"tasks": "0" * 64},
        {"base": "0" * 64},
        {"models": {"0": "0" * 64}},
        {"models": {}},
        {"variant": "transfer"},
    ],
)
def test_scores_of_another_run_are_left_out(here, caplog, other):
    scored(2, **other)
    start = load_start("in_place", 0)
    assert (start.details, start.epochs) == (None, 3)
    assert len(caplog.messages) == 1
    assert FOREIGN in caplog.text


@pytest.mark.parametrize("of_now", [True, False])
def test_what_is_predicted_need_only_be_scored(here, caplog, of_now):
    """After a training alone the predictions, too, are of another model."""
    scored(2, models={"0": "0" * 64})
    artifacts.write_text(artifacts.predictions_file("in_place"), "")
    said = (
        of_what_is_there()
        if of_now
        else artifacts.read_json(artifacts.details_file("in_place"), made_by="score")["made_from"]
    )
    identity = {key: said[key] for key in ("tasks", "base", "models")}
    records = artifacts.sha256_of(artifacts.predictions_file("in_place"))
    own = {"variant": "in_place", "sha256": records}
    artifacts.write_sealed(artifacts.identity_file("in_place"), identity | own)
    load_start("in_place", 0)
    assert (FOREIGN in caplog.text) != of_now
    score = "is of another run; run `python -m stages.score in_place` (or `dvc repro`)"
    assert (score in caplog.text) == of_now


def test_a_card_has_no_numbers_of_another_run(here, caplog):
    artifacts.write_text(artifacts.details_file("in_place"), COMMITTED.read_text())
    export("in_place", here / "out")
    card = (here / "out/README.md").read_text()
    assert "Not scored" in card
    assert "metric_value" not in card
    assert json.loads((here / "out/personalize.json").read_text())["epochs"] == 3
    assert FOREIGN in caplog.text


def test_a_headline_without_adaptation_is_said(here, caplog):
    scored(0)
    start = load_start("in_place", 0)
    assert start.details is not None
    assert start.epochs == 3
    assert caplog.messages == [
        "metrics/details/in_place.json: its headline epoch is 0, no adaptation; taken here: 3, "
        "the most of finetune.epochs"
    ]
