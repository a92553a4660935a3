"""`stages.rates`: each K's best trial, warnings at the edge, and what reads which people."""

import csv
import io

import pytest

from pipeline.errors import TrainingError
from pipeline.evaluation.few_shot.rates import (
    RateTrial,
    at_the_edge,
    chosen,
    diverged,
    edge,
    points,
    rates_csv,
    trials_of,
)
from pipeline.params import AtK, Finetune, RateGrid, load_preset
from tests.support.prediction_builder import a_prediction


GRID = RateGrid(sgd=[0.1, 0.3, 0.03], adam=[0.001])


def trial(k, nats, optimizer="sgd", lr=0.1, epochs=1):
    return RateTrial(k=k, optimizer=optimizer, lr=lr, epochs=epochs, nats=nats)


def test_every_variant_has_the_same_points():
    assert points(GRID) == [("sgd", 0.1), ("sgd", 0.3), ("sgd", 0.03), ("adam", 0.001)]


def test_a_trial_pools_tokens_and_leaves_epoch_0_and_other_k_out():
    """(3 + 1 + 7 + 1) nats over 8 tokens, closing tokens counted."""
    kind = {"split": "valid", "protocol": "k_shot"}
    records = [
        a_prediction(**kind, k=1, epoch=1),
        a_prediction(**kind, k=1, epoch=1, turn=1, nll=7.0),
        a_prediction(**kind, k=1, epoch=3, nll=1.0),
        a_prediction(**kind, k=0, epoch=0, nll=90.0),
        a_prediction(**kind, k=5, epoch=1, nll=90.0),
    ]
    found = trials_of(records, optimizer="adam", lr=0.001, shots=[1])
    assert [(t.k, t.epochs, t.nats) for t in found] == [(1, 1, 1.5), (1, 3, 0.5)]


def test_each_k_has_its_own_best_and_one_that_diverged_never_is():
    trials = [
        trial(1, 2.0),
        trial(1, 1.5, "adam", 0.001, 3),
        trial(3, None),
        trial(3, 1.2),
        trial(3, 1.2, lr=0.3),
    ]
    one, three = chosen(trials)
    assert (one.k, one.optimizer, one.lr, one.epochs) == (1, "adam", 0.001, 3)
    assert (three.k, three.lr) == (3, 0.1)  # the first of equal ones
    with pytest.raises(TrainingError, match="K = 3: every trial diverged"):
        chosen(diverged(optimizer="sgd", lr=1.0, shots=[3], epochs=[0, 1]))


def test_a_best_value_at_the_edge_of_the_grid_is_said():
    inside = AtK(k=1, optimizer="sgd", lr=0.1, epochs=1)
    assert at_the_edge([inside], GRID, [0, 1, 3]) == []
    (rate,) = at_the_edge([inside.model_copy(update={"lr": 0.3})], GRID, [0, 1, 3])
    assert rate == "K = 1: sgd at lr 0.3 is the highest that was tried; widen the grid"
    (epochs,) = at_the_edge([inside.model_copy(update={"epochs": 3})], GRID, [0, 1, 3])
    assert "epochs 3 is the highest" in epochs
    assert edge(0.03, [0.03, 0.1, 0.3]) == "lowest"


def test_every_trial_is_a_row():
    trials = [trial(3, 1.0), trial(1, None), trial(1, 2.0, lr=0.3)]
    text = rates_csv(trials, chosen(trials), seed=0, made_from={"model": "ab"})
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(r["seed"], r["model"]) for r in rows} == {("0", "ab")}
    assert [(r["k"], r["valid_nats"], r["chosen"]) for r in rows] == [
        ("1", "inf", "false"),
        ("1", "2.0", "true"),
        ("3", "1.0", "true"),
    ]


def embedded(**changes):
    preset = load_preset("embedded").check().finetune
    return Finetune.model_validate(preset.model_dump() | changes)


def test_a_k_has_its_own_rate_and_epochs_and_others_keep_the_sections():
    own = {"k": 3, "optimizer": "adam", "lr": 0.002, "epochs": 2}
    finetune = embedded(by_k={"transfer": [own], "in_place": [own | {"lr": 9.0}]}).of("transfer")
    at_three = finetune.at(3)
    assert (at_three.optimizer, at_three.lr, at_three.epochs) == ("adam", 0.002, [0, 2])
    assert finetune.at(1) == finetune
    assert finetune.of("in_place").at(3) == finetune.of("in_place")


def test_a_k_that_is_named_twice_is_refused():
    own = {"k": 3, "optimizer": "adam", "lr": 0.002, "epochs": 2}
    with pytest.raises(ValueError, match="transfer has a K twice"):
        embedded(by_k={"transfer": [own, own]})
