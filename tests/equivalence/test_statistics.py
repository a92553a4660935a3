"""Intervals, p-values and corrections against scipy and the textbook."""

from random import Random

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import permutation_test, ttest_1samp

from pipeline.evaluation.aggregate import nats_per_token
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.paired import effect_size, holm, sign_flip_p
from tests.prediction_builder import a_prediction


def differences(size, seed, mean=0.3):
    return np.random.default_rng(seed).normal(mean, 1.0, size)


def scipys_p(values, resamples):
    found = permutation_test(
        (values, np.zeros_like(values)),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


@pytest.mark.parametrize("seed", range(6))
def test_exact_p_equals_scipys(seed):
    values = differences(9, seed)
    assert sign_flip_p(values, permutations=7, seed=0) == pytest.approx(
        scipys_p(values, np.inf), abs=1e-12
    )


def test_exact_p_equals_scipys_with_ties_and_zeros():
    values = np.array([1.0, 1.0, -1.0, 0.0, 2.0, -2.0, 1.0])
    assert sign_flip_p(values, permutations=7, seed=0) == pytest.approx(
        scipys_p(values, np.inf), abs=1e-12
    )


@pytest.mark.parametrize("mean", [0.0, 0.4])
def test_drawn_p_agrees_with_scipys(mean):
    values = differences(30, 7, mean)
    ours = sign_flip_p(values, permutations=20000, seed=0)
    assert ours == pytest.approx(scipys_p(values, 20000), abs=0.015)


def test_intervals_agree_with_scipys_percentile_bootstrap():
    values = np.random.default_rng(8).gamma(2.0, 1.0, 40)
    estimate = Bootstrap(20000, 0).mean({f"p{i:02d}": v for i, v in enumerate(values)}, "x")
    expected = scipy_bootstrap(
        (values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert estimate.low == pytest.approx(expected.low, abs=0.02)
    assert estimate.high == pytest.approx(expected.high, abs=0.02)


def test_intervals_of_ratios_agree_with_scipys():
    """Personas differ in length, so the ratio of sums is not the mean of the ratios."""
    generator = np.random.default_rng(9)
    tokens = generator.integers(1, 40, 40)
    nll = tokens * generator.normal(3.0, 0.6, 40)
    records = [
        a_prediction(task_id=f"p{i:02d}", nll=float(nll[i]), nll_end=0.0, num_tokens=int(n) - 1)
        for i, n in enumerate(tokens)
    ]
    estimate = Bootstrap(20000, 0).metric(nats_per_token, records)
    expected = scipy_bootstrap(
        (nll, tokens),
        lambda x, y, axis: x.sum(axis=axis) / y.sum(axis=axis),
        paired=True,
        n_resamples=20000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert estimate.value == pytest.approx(nll.sum() / tokens.sum())
    assert estimate.low == pytest.approx(expected.low, abs=0.02)
    assert estimate.high == pytest.approx(expected.high, abs=0.02)


def test_holm_rejects_as_the_textbook_procedure_does():
    """Step down: compare the i-th smallest with alpha / (m - i), stop at the first failure."""
    random = Random(10)
    for _ in range(200):
        p_values = [random.random() ** 4 for _ in range(random.randint(1, 10))]
        adjusted = holm(p_values)
        for alpha in (0.01, 0.05, 0.2):
            rejected = set()
            for i, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
                if p_values[index] > alpha / (len(p_values) - i):
                    break
                rejected.add(index)
            assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected


def test_effect_size_is_t_over_root_n():
    values = differences(25, 11)
    assert effect_size(values) == pytest.approx(ttest_1samp(values, 0).statistic / 5)
