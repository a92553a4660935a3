"""Comparisons over several training seeds: personas and seeds crossed."""

import pytest

from pipeline.errors import DataError
from pipeline.params import Claim
from tests.support.compared_variants import compare, first_of_each, variant


def test_seeds_are_corrected_within_their_family():
    names = {"a": [0.5, 0.9, 0.7], "b": [0.2, 0.01, 0.1], "c": [0.2, 0.4, 0.3]}
    data = {name: seeded(shifts) for name, shifts in names.items()}
    claims = [Claim(a="a", b="b", question="?")]
    tests = compare(data, claims, permutations=99, seed=0)["tests"]
    crossed = [test["over_seeds"] for test in tests[:3]]
    smallest = min(crossed, key=lambda one: one["p"])
    assert 0.001 < smallest["p"] < 0.1
    assert smallest["p_holm"] == pytest.approx(3 * smallest["p"])


def seeded(shifts, **changes):
    return [r for seed, shift in enumerate(shifts) for r in variant(shift, seed=seed, **changes)]


def test_one_training_seed_says_nothing_over_seeds():
    found = compare({"a": variant(), "b": seeded([0.1, 0.2])}, permutations=99, seed=0)
    assert {test["over_seeds"] is None for test in found["tests"]} == {True}


def test_seeds_that_disagree_are_not_distinguishable_although_these_models_are():
    """Every persona prefers b's models, but one seed's far more than the other's."""
    data = {"a": seeded([0.1, 2.0]), "b": seeded([0.0, 0.0])}
    test = first_of_each(compare(data, permutations=99, seed=0))["nats_per_token"]
    assert test["verdict"] == "worse"
    crossed = test["over_seeds"]
    assert crossed["seeds"] == [0, 1]
    assert crossed["difference"]["value"] == pytest.approx(test["difference"]["value"])
    assert crossed["difference"]["low"] < 0 < crossed["difference"]["high"]
    assert crossed["p"] > 0.05
    assert crossed["verdict"] == "not distinguishable"


def test_seeds_that_agree_are_a_statement_on_the_methods():
    data = {"a": seeded([1.50, 1.51, 1.49]), "b": seeded([1.0, 1.01, 0.99])}
    crossed = first_of_each(compare(data, permutations=99, seed=0))["nats_per_token"]["over_seeds"]
    assert crossed["p"] < crossed["p_holm"] < 0.05
    assert crossed["verdict"] == "worse"
    assert crossed["difference"]["low"] > 0.4


def test_only_the_seeds_that_both_have_are_crossed():
    """The third seed of a is far off; it has no counterpart."""
    data = {"a": seeded([0.1, 0.2, 9.0]), "b": seeded([0.0, 0.0])}
    crossed = first_of_each(compare(data, permutations=99, seed=0))["nats_per_token"]["over_seeds"]
    assert crossed["seeds"] == [0, 1]
    assert crossed["difference"]["value"] == pytest.approx(0.15 * (1 + 0.045))


def test_a_persona_without_one_of_the_seeds_is_refused():
    broken = [r for r in seeded([0.0, 0.1]) if (r.task_id, r.seed) != ("p03", 1)]
    with pytest.raises(DataError, match="p03 has no records of training seed 1"):
        compare({"a": broken, "b": seeded([0.0, 0.1])}, permutations=99, seed=0)
