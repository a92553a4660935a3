"""Paired tests: signs, Holm, verdicts; on differences whose p-values can be counted."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.evaluation.comparison.paired import detectable
from pipeline.params import Claim
from tests.support.compared_variants import compare, first_of_each, variant
from tests.support.prediction_builder import full


def test_a_variant_that_is_worse_for_every_persona():
    """10 personas, all of one sign: 2 of 1,024 sign patterns are as extreme."""
    found = compare({"good": variant(), "bad": variant(0.5)}, permutations=100, seed=0)
    test = first_of_each(found)["nats_per_token"]
    assert (test["a"], test["b"], test["personas"]) == ("bad", "good", 10)
    assert test["difference"]["value"] == pytest.approx(0.5 + 0.005 * 4.5)
    assert 0.5 < test["difference"]["low"] < test["difference"]["high"] < 0.55
    assert test["p"] == 2 / 1024
    assert test["p_holm"] == 3 * 2 / 1024  # the smallest of three tests
    assert test["verdict"] == "worse"
    assert found["variants"] == ["bad", "good"]


def test_better_is_lower_nll_but_more_hits():
    a, b = variant(0.5), variant(1.0, hit=False)
    found = first_of_each(compare({"a": a, "b": b}, permutations=100, seed=0))
    assert found["nats_per_token"]["difference"]["value"] < 0
    assert found["hits_at_1"]["difference"]["value"] == 100
    assert found["nats_per_token"]["verdict"] == found["hits_at_1"]["verdict"] == "better"
    swapped = first_of_each(compare({"b": a, "a": b}, permutations=100, seed=0))
    assert swapped["nats_per_token"]["verdict"] == swapped["hits_at_1"]["verdict"] == "worse"


def test_equal_variants_are_not_distinguishable():
    found = compare({"a": variant(), "b": variant()}, permutations=100, seed=0)
    for test in found["tests"]:
        assert test["verdict"] == "not distinguishable"
        assert test["p"] == test["p_holm"] == 1
        assert test["d_z"] is None
        assert test["difference"] == {"value": 0, "low": 0, "high": 0}


def test_another_corpus_has_the_same_ids_and_shares_no_reply():
    other = variant(0.5, reference="i like cats")
    with pytest.raises(DataError, match="a and b share no held-out reply; run finetune for both"):
        compare({"a": variant(), "b": other}, permutations=100, seed=0)


def test_replies_that_two_corpora_have_in_common_by_chance_are_not_compared():
    """A greeting is the same text in both; ids of other replies mean other texts."""
    a, b = (
        [*variant(), *variant(turn=1, reference=text)] for text in ("i like cats", "i like fish")
    )
    with pytest.raises(DataError, match="a and b were predicted on different tasks: d0, turn 1 is"):
        compare({"a": a, "b": b}, permutations=100, seed=0)


def test_too_few_personas_cannot_show_anything():
    found = compare(
        {"a": variant(personas=4), "b": variant(9.0, personas=4)}, permutations=100, seed=0
    )
    assert first_of_each(found)["nats_per_token"]["p"] == 2 / 16
    assert first_of_each(found)["nats_per_token"]["verdict"] == "not distinguishable"


def test_the_verdict_is_after_holm():
    """6 personas of one sign: p is 2 in 64, but the smallest of three tests counts three times."""
    found = compare(
        {"a": variant(personas=6), "b": variant(9.0, personas=6)}, permutations=100, seed=0
    )
    test = first_of_each(found)["nats_per_token"]
    assert test["p"] == 2 / 64 < 0.05 < test["p_holm"] == 6 / 64
    assert test["verdict"] == "not distinguishable"


def test_the_family_is_every_pair_by_every_metric():
    three = {name: variant(shift) for name, shift in (("c", 0.0), ("a", 0.1), ("b", 0.2))}
    found = compare(three, permutations=100, seed=0)
    assert [(t["a"], t["b"]) for t in found["tests"][::3]] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [t["metric"] for t in found["tests"][:3]] == ["nats_per_token", "hits_at_1", "f1"]
    assert first_of_each(found)["nats_per_token"]["p_holm"] == pytest.approx(9 * 2 / 1024)
    assert compare({"a": variant()}, permutations=100, seed=0)["tests"] == []


def test_claims_are_a_family_of_their_own_in_their_own_order():
    """10 personas of one sign: p = 2 in 1,024; three tests of the claim, six of the other pairs."""
    three = {name: variant(shift) for name, shift in (("c", 0.0), ("a", 0.1), ("b", 0.2))}
    claims = [
        Claim(a="c", b="a", question="Is c better?"),
        Claim(a="c", b="missing", question="Is it scored?"),
    ]
    found = compare(three, claims, permutations=100, seed=0)
    tests = found["tests"][::3]
    assert [(t["a"], t["b"]) for t in tests] == [("c", "a"), ("a", "b"), ("b", "c")]
    assert [t["question"] for t in tests] == ["Is c better?", None, None]
    assert [t["p_holm"] for t in tests] == pytest.approx([3 * 2 / 1024, 6 * 2 / 1024, 6 * 2 / 1024])
    assert tests[0]["verdict"] == "better"
    assert {name: family["tests"] for name, family in found["families"].items()} == {
        "claims": 3,
        "others": 6,
    }
    unclaimed = compare(three, permutations=100, seed=0)["tests"][3]  # a and c, among nine
    steps = [t["detectable"]["holm_first_step"] for t in (tests[0], unclaimed)]
    assert steps[0] < steps[1]


def test_a_further_row_takes_nothing_from_a_claim():
    claims = [Claim(a="c", b="a", question="Is c better?")]
    rows = {name: variant(shift) for name, shift in (("a", 0.1), ("c", 0.0))}
    more = rows | {f"row{number}": variant(0.3 + 0.1 * number) for number in range(8)}
    before, after = (compare(those, claims, permutations=100, seed=0) for those in (rows, more))
    assert before["tests"] == after["tests"][:3]
    assert after["families"]["others"]["tests"] == 3 * 44


def test_what_a_family_can_reach_is_said():
    """40 personas: no p-value is below 1 / (99 + 1); six tests in the second family."""
    three = {name: variant(personas=40) for name in "abc"}
    claims = [Claim(a="a", b="b", question="?")]
    found = compare(three, claims, permutations=99, seed=0)["families"]
    smallest = {name: family["smallest_p_holm"] for name, family in found.items()}
    assert smallest == pytest.approx({"claims": 0.03, "others": 0.06})
    assert compare({}, permutations=9, seed=0)["families"]["claims"]["tests"] == 0


def test_what_a_family_can_reach_is_what_its_largest_sample_can():
    """c has 4 of the 10 personas: 2 in 1,024 patterns for the one pair, 2 in 16 for the others."""
    three = {"a": variant(), "b": variant(), "c": variant(personas=4)}
    found = compare(three, permutations=99, seed=0)["families"]["others"]
    assert found["smallest_p_holm"] == pytest.approx(9 * 2 / 1024)


def test_personas_and_replies_that_only_one_variant_has_are_left_out():
    a = variant(0.5, personas=10)
    b = [*variant(personas=6), full(task_id="p00", turn=5, nll=400.0)]
    test = first_of_each(compare({"a": a, "b": b}, permutations=100, seed=0))["nats_per_token"]
    assert test["personas"] == 6
    assert test["difference"]["value"] == pytest.approx(0.5 + 0.005 * 2.5)
    with pytest.raises(DataError, match="a and b share no held-out reply"):
        compare({"a": a, "b": variant(dialogue_id="other")}, permutations=100, seed=0)


def test_training_seeds_are_averaged_within_a_persona():
    both = [*variant(0.2, seed=0), *variant(0.4, seed=1)]
    test = first_of_each(compare({"a": both, "b": variant()}, permutations=100, seed=0))
    assert test["nats_per_token"]["difference"]["value"] == pytest.approx(0.3 * (1 + 0.045))
    assert test["nats_per_token"]["personas"] == 10


def test_effect_sizes_carry_their_interval():
    test = first_of_each(compare({"a": variant(), "b": variant(0.5)}, permutations=99, seed=0))
    found = test["nats_per_token"]
    assert found["d_z_interval"]["low"] < found["d_z"] < found["d_z_interval"]["high"] < 0


def test_what_a_test_cannot_reach_is_not_detectable():
    """6 personas: the smallest p is 2 in 64, below 0.05 but not below 0.05 / 3."""
    six = first_of_each(
        compare({"a": variant(personas=6), "b": variant(0.5, personas=6)}, permutations=99, seed=0)
    )["nats_per_token"]["detectable"]
    assert six["uncorrected"] > 0
    assert six["holm_first_step"] is None
    ten = first_of_each(compare({"a": variant(), "b": variant(0.5)}, permutations=99, seed=0))
    found = ten["nats_per_token"]["detectable"]
    assert 0 < found["uncorrected"] < found["holm_first_step"]
    spread = np.array([1.0, 3.0] * 10)
    assert detectable(spread, 0.05, permutations=19) is None  # 1 / (1 + 19) is not below 0.05
    assert detectable(3 * spread, 0.05, permutations=99) == pytest.approx(
        3 * detectable(spread, 0.05, permutations=99)
    )
    assert detectable(np.array([1.0]), 0.05, permutations=99) is None
