"""Intervals over personas: what is resampled together, and what comes out."""

from math import sqrt
from statistics import NormalDist, fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import ppl
from pipeline.evaluation.statistics import percentiles
from pipeline.evaluation.statistics.bootstrap import Bootstrap, by_persona
from tests.support.prediction_builder import a_prediction


BOOTSTRAP = Bootstrap(samples=500, seed=1)


def persona(number, nll, **changes):
    return a_prediction(task_id=f"p{number}", nll=nll, nll_end=0.0, num_tokens=1, **changes)


def expanded_bca(values, value, without):
    """The definition, written out: Efron 1987 with Hesterberg's quantile."""
    size, normal = len(without), NormalDist()
    z0 = normal.inv_cdf(fmean((v < value - 1e-9) + 0.5 * (abs(v - value) <= 1e-9) for v in values))
    influence = [fmean(without) - v for v in without]
    a = sum(i**3 for i in influence) / (6 * sum(i**2 for i in influence) ** 1.5)
    z = student.ppf(0.975, size - 1) * sqrt(size / (size - 1))
    levels = [normal.cdf(z0 + (z0 + end) / (1 - a * (z0 + end))) for end in (-z, z)]
    return np.quantile(values, levels)


def test_a_single_persona_has_no_interval():
    estimate = BOOTSTRAP.metric(ppl, [persona(0, 1.0), persona(0, 2.0, turn=1)])
    assert (estimate.low, estimate.high) == (None, None)


def test_personas_that_agree_have_an_interval_of_no_width():
    estimate = BOOTSTRAP.metric(ppl, [persona(n, 1.0) for n in range(5)])
    assert estimate.low == estimate.high == estimate.value


def test_replies_and_seeds_of_a_persona_go_together():
    """Seeds 0 and 1 of each persona cancel out: drawn together, nothing varies."""
    records = [persona(n, 1.0 + d, seed=s) for n in range(6) for s, d in ((0, 0.5), (1, -0.5))]
    estimate = BOOTSTRAP.metric(ppl, records)
    assert estimate.high == pytest.approx(estimate.low, abs=1e-12)


def test_bounds_are_those_of_a_plain_loop_over_the_same_draws():
    records = [persona(n, nll) for n, nll in enumerate([1.0, 2.0, 4.0, 8.0])]
    people = list(by_persona(records).values())
    values = []
    for weights in BOOTSTRAP.weights(4):
        drawn = [
            r for count, those in zip(weights, people, strict=True) for r in those * int(count)
        ]
        values.append(ppl(drawn))
    estimate = BOOTSTRAP.metric(ppl, records)
    low, high = expanded_bca(
        values, ppl(records), [ppl(records[:n] + records[n + 1 :]) for n in range(4)]
    )
    assert estimate.low == pytest.approx(low, rel=1e-12)
    assert estimate.high == pytest.approx(high, rel=1e-12)
    assert estimate.value == ppl(records)


def test_every_sample_draws_as_many_personas_as_there_are():
    weights = BOOTSTRAP.weights(7)
    assert weights.shape == (500, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(7), abs=0.15)


def test_equal_seeds_give_equal_bounds_whatever_the_order():
    records = [persona(n, 0.1 * n) for n in range(9)]
    again = Bootstrap(500, 1).metric(ppl, records[::-1])
    assert again == BOOTSTRAP.metric(ppl, records)
    assert Bootstrap(500, 2).metric(ppl, records) != again


def test_a_mean_weighs_every_persona_the_same():
    estimate = BOOTSTRAP.mean({"a": 1.0, "b": 3.0}, "gain")
    assert estimate.value == 2
    assert (estimate.low, estimate.high) == (1, 3)


def test_what_is_not_finite_is_named():
    with pytest.raises(DataError, match="gain is nan"):
        BOOTSTRAP.mean({"a": 1.0, "b": float("nan")}, "gain")


def test_seeds_of_one_run_have_no_crossed_interval_and_two_have():
    records = [persona(n, 0.1 * n) for n in range(6)]
    again = [persona(n, 0.1 * n + 0.01, seed=1) for n in range(6)]
    assert BOOTSTRAP.metric(ppl, records).crossed_low is None
    found = BOOTSTRAP.metric(ppl, records + again).content()
    assert found["crossed_low"] < found["value"] < found["crossed_high"]


def test_at_the_formulas_pole_the_interval_ends_at_the_last_sample():
    """It would turn round otherwise: the percentile of 7 / (1 - 7 / 6) is 0."""
    assert percentiles.percentiles(5.0, 1 / 6, 2.0)[1] == 100
    assert percentiles.percentiles(-5.0, -1 / 6, 2.0)[0] == 0


def test_tiny_numbers_do_not_vanish():
    tiny = Bootstrap(100, 0).mean({"a": 0.0, "b": 1e-140, "c": 5e-140}, "x")
    plain = Bootstrap(100, 0).mean({"a": 0.0, "b": 1.0, "c": 5.0}, "x")
    assert (tiny.low, tiny.high) == pytest.approx((1e-140 * plain.low, 1e-140 * plain.high), abs=0)


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=30),
    st.floats(0.1, 10),
    st.floats(-5, 5),
)
def test_a_mean_moves_with_shift_and_scale(values, scale, shift):
    def bounds(numbers):
        found = Bootstrap(100, 0).mean({f"{i:02d}": v for i, v in enumerate(numbers)}, "x")
        return found.low, found.high

    low, high = bounds(values)
    assert low <= high
    assert min(values) - 1e-6 <= low
    assert high <= max(values) + 1e-6
    if np.ptp(values) > 1e-3:
        moved = bounds([scale * v + shift for v in values])
        assert moved == pytest.approx((scale * low + shift, scale * high + shift), abs=1e-5)


@given(st.lists(st.floats(0.1, 5), min_size=3, max_size=50), st.integers(0, 49))
def test_the_bias_does_not_depend_on_the_scale(values, number):
    samples, value = np.array(values), values[number % len(values)]
    ranks = np.unique(np.round(samples, 6))
    if len(ranks) == len(np.unique(samples)) and np.all(np.diff(ranks) > 1e-5):
        assert percentiles.bias(np.exp(samples), np.exp(value)) == percentiles.bias(samples, value)


def test_an_infinite_sample_is_above_the_number_and_nothing_else():
    samples = np.array([1.0, 2.0, 2.0, np.inf])
    assert (
        percentiles.bias(samples, 2.0) == percentiles.bias(np.array([1.0, 2.0, 2.0, 9.0]), 2.0) == 0
    )
