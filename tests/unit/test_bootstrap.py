"""Intervals over personas: what is resampled together, and what comes out."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.evaluation.bootstrap import Bootstrap, by_persona
from pipeline.evaluation.metrics import ppl
from tests.prediction_builder import a_prediction


BOOTSTRAP = Bootstrap(samples=500, seed=1)


def persona(number, nll, **changes):
    return a_prediction(task_id=f"p{number}", nll=nll, nll_end=0.0, num_tokens=1, **changes)


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
    assert estimate.low == pytest.approx(np.quantile(values, 0.025), rel=1e-12)
    assert estimate.high == pytest.approx(np.quantile(values, 0.975), rel=1e-12)
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
