"""Two one-sided tests: against Student's, patterns counted by hand, and the answers."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from pipeline.evaluation.comparison.equivalence import (
    answer,
    equivalence_p,
    equivalence_p_over_seeds,
    equivalences,
)
from pipeline.evaluation.comparison.families import Pair
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.comparison import Equivalence, OverSeeds
from pipeline.evaluation.statistics.seeds import Components


DRAWS = {"permutations": 4000, "seed": 0}
PAIR = Pair("a", "b", "question")


def student(differences, margin):
    """The larger of the two one-sided t tests."""
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    return max(above, below)


@pytest.mark.parametrize("mean", [-0.004, 0.0, 0.007, 0.02])
def test_sign_flips_agree_with_students_tests(mean):
    differences = np.random.default_rng(3).normal(mean, 0.02, 80)
    found = equivalence_p(differences, 0.01, **DRAWS)
    assert found == pytest.approx(student(differences, 0.01), abs=0.02)


def test_a_small_sample_by_counting_patterns():
    differences, margin = np.array([0.001, -0.002, 0.004, 0.0]), 0.01
    p_values = []
    for side in (differences + margin, margin - differences):
        flipped = [np.dot(signs, side) for signs in product((1, -1), repeat=4)]
        p_values.append(np.mean([total >= side.sum() - 1e-15 for total in flipped]))
    assert equivalence_p(differences, margin, **DRAWS) == max(p_values) == 1 / 16


def test_a_difference_of_just_the_margin_is_equivalent_in_a_twentieth_of_samples():
    """The border of the hypothesis: the test may err in 5 % of samples."""
    random = np.random.default_rng(0)
    samples = random.normal(0.01, 0.02, (400, 40))
    draws = {"permutations": 400, "seed": 0}
    share = np.mean([equivalence_p(sample, 0.01, **draws) < 0.05 for sample in samples])
    assert 0.02 < share < 0.085


def test_over_seeds_it_is_the_ninety_percent_interval_within_the_margin():
    variance = Components(personas=30, seeds=3, by_personas=4e-6, by_seeds=1e-6)
    half = variance.half_width(0.9)
    for difference in (0.0, 0.003, -0.003):
        just = abs(difference) + half
        assert equivalence_p_over_seeds(difference, just * 1.01, variance) < 0.05
        assert equivalence_p_over_seeds(difference, just * 0.99, variance) > 0.05
    assert equivalence_p_over_seeds(0.02, 0.01, variance) > 0.5


def test_holm_is_over_the_tests_of_the_family_that_have_a_margin():
    others = Pair("a", "c", None)
    found = equivalences([0.02, None, 0.03, 0.04], [PAIR, PAIR, PAIR, others], 0.01, 0.05)
    assert [one and one.p_holm for one in found] == [0.04, None, 0.04, 0.04]
    assert [one and one.equivalent for one in found] == [True, None, True, True]
    assert equivalences([None, None], [PAIR, PAIR], None, 0.05) == [None, None]


def said(equivalent):
    return Equivalence(
        margin=0.01, p=0.01, p_holm=0.01 if equivalent else 0.2, equivalent=equivalent
    )


def seeded(verdict, equivalent):
    estimate = Estimate(value=0.0, low=-1.0, high=1.0)
    return OverSeeds(
        seeds=[0, 1],
        difference=estimate,
        p=0.5,
        p_holm=0.5,
        verdict=verdict,
        equivalence=said(equivalent),
    )


def test_the_answer_is_one_of_four_and_seeds_decide():
    assert answer("better", said(False), None) == "better"
    assert answer("better", said(True), None) == "equivalent"
    assert answer("not distinguishable", said(False), None) == "not distinguishable"
    assert answer("worse", None, None) == "worse"
    assert answer("better", said(True), seeded("not distinguishable", False)) == (
        "not distinguishable"
    )
    assert answer("not distinguishable", None, seeded("worse", True)) == "equivalent"
