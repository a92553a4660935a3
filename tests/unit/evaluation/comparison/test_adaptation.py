"""Tests of gains and swap gaps: values by hand, p-values that can be counted, a family of two."""

import pytest

from pipeline.evaluation.comparison.adaptation import compare_adaptation, quantities
from pipeline.params import Claim
from tests.support.prediction_builder import a_prediction


def replies(nats, *, split="test", epoch, protocol="leave_one_out"):
    """One reply of four tokens per persona, `nats` in all."""
    return [
        a_prediction(
            task_id=f"{split}{person:02d}",
            split=split,
            epoch=epoch,
            protocol=protocol,
            nll=value - 0.25,
            nll_end=0.25,
        )
        for person, value in enumerate(nats)
    ]


def variant(gains, gaps=None, *, headline=1):
    """Personas that gain and are ahead of a stranger's support by these nats per token."""
    after = [40 - 4 * gain for gain in gains]
    records = [
        *replies([8.0], split="valid", epoch=0),
        *replies([4.0 if headline else 9.0], split="valid", epoch=1),
        *replies([40.0] * len(gains), epoch=0),
        *replies(after, epoch=1),
    ]
    if gaps is not None:
        stranger = [own + 4 * gap for own, gap in zip(after, gaps, strict=True)]
        records += replies(stranger, epoch=1, protocol="swap")
    return records


def compared(*args, **options):
    """What the file holds."""
    return compare_adaptation(*args, **options).content()


def of(found, quantity):
    (test,) = (test for test in found["tests"] if test["metric"] == quantity)
    return test


def test_quantities_are_each_personas_falls_per_token():
    found = quantities(variant([0.5, 1.0], [0.25, -0.5]))
    assert found["gain"] == pytest.approx({"test00": 0.5, "test01": 1.0})
    assert found["swap_gap"] == pytest.approx({"test00": 0.25, "test01": -0.5})


def test_a_larger_gain_with_the_same_personal_part():
    """Ten personas, all of one sign: 2 of 1,024 patterns are as extreme; Holm over two tests."""
    steps = [0.01 * person for person in range(10)]
    gaps = [0.1] * 10
    found = compared(
        {
            "a": variant([0.5 + step for step in steps], gaps),
            "b": variant([0.25 + step / 2 for step in steps], gaps),
        },
        permutations=200,
        seed=0,
    )
    gain, gap = of(found, "gain"), of(found, "swap_gap")
    assert (gain["a"], gain["b"], gain["personas"]) == ("a", "b", 10)
    assert gain["difference"]["value"] == pytest.approx(0.25 + 0.005 * 4.5)
    assert (gain["p"], gain["p_holm"]) == (2 / 1024, 4 / 1024)
    assert gain["verdict"] == "larger"
    assert gap["difference"]["value"] == pytest.approx(0, abs=1e-12)
    assert gap["verdict"] == "not distinguishable"


def test_the_verdict_is_after_holm():
    """Six personas: 2 of 64 patterns are as extreme, under 5 % for one test and not for two."""
    steps, gaps = [0.01 * person for person in range(6)], [0.1] * 6
    a, b = variant([0.5 + step for step in steps], gaps), variant([0.25 for _ in steps], gaps)
    gain = of(compared({"a": a, "b": b}, permutations=200, seed=0), "gain")
    assert (gain["p"], gain["p_holm"]) == (2 / 64, 4 / 64)
    assert gain["verdict"] == "not distinguishable"


def test_the_second_variant_may_be_the_one_that_gains_more():
    less = variant([0.1 + 0.01 * p for p in range(10)])
    more = variant([0.9 + 0.02 * p for p in range(10)])
    found = compared({"a": less, "b": more}, permutations=200, seed=0)
    assert of(found, "gain")["verdict"] == "smaller"
    assert {test["metric"] for test in found["tests"]} == {"gain"}  # no stranger's support was run


def test_personas_that_one_variant_lacks_are_left_out():
    found = compared(
        {"a": variant([1.0, 2.0, 3.0]), "b": variant([0.0, 0.0])}, permutations=50, seed=0
    )
    assert of(found, "gain")["personas"] == 2
    assert of(found, "gain")["difference"]["value"] == pytest.approx(1.5)


def test_a_variant_that_is_best_unadapted_has_no_adaptation_to_compare():
    still = variant([0.5] * 4, headline=0)
    found = compared({"a": still, "b": variant([1.0] * 4)}, permutations=50, seed=0)
    assert found["tests"] == []


def test_claims_are_tested_in_their_own_order_and_family():
    gains = {"a": 0.1, "b": 0.9, "c": 0.5}
    records = {n: variant([gain + 0.01 * p * gain for p in range(10)]) for n, gain in gains.items()}
    claims = [Claim(a="b", b="a", question="Does b gain more?")]
    found = compared(records, claims, permutations=200, seed=0)
    first, *others = found["tests"]
    assert (first["a"], first["b"], first["question"]) == ("b", "a", "Does b gain more?")
    assert (first["verdict"], first["p_holm"]) == ("larger", first["p"])
    assert [test["question"] for test in others] == [None, None]
    assert others[0]["p_holm"] == 2 * others[0]["p"]
    assert found["families"]["others"]["tests"] == 2
