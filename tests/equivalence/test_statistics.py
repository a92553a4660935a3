"""Intervals, p-values and corrections against scipy and the textbook."""

from math import log, sqrt
from random import Random

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import nct, permutation_test, skew, ttest_1samp
from scipy.stats import t as student

from pipeline.evaluation.comparison.paired import (
    detectable_effect_size,
    effect_size,
    holm,
    sign_flip_p,
)
from pipeline.evaluation.records.metric import exp_ratio, nats_per_token, ratio
from pipeline.evaluation.statistics import percentiles
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.seeds import bounds_of_sums, components, pseudo_values
from tests.support.prediction_builder import a_prediction


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


@pytest.fixture
def plain(monkeypatch):
    """SciPy's BCa has the normal quantile where ours has the expanded one."""
    monkeypatch.setattr(percentiles, "expanded_quantile", lambda level, _: ndtri((1 + level) / 2))


def scipys_bca(data, statistic, **options):
    return scipy_bootstrap(
        data,
        statistic,
        n_resamples=20000,
        method="BCa",
        rng=np.random.default_rng(1),
        **options,
    ).confidence_interval


@pytest.mark.parametrize("size", [12, 40])
def test_intervals_of_means_agree_with_scipys_bca(plain, size):
    values = np.random.default_rng(8).gamma(1.0, 1.0, size)
    estimate = Bootstrap(20000, 0).mean({f"p{i:02d}": v for i, v in enumerate(values)}, "x")
    expected = scipys_bca((values,), np.mean)
    assert estimate.low == pytest.approx(expected.low, abs=0.02)
    assert estimate.high == pytest.approx(expected.high, abs=0.02)
    percentile = np.percentile(
        Bootstrap(20000, 0).resampled(np.stack([values, np.ones(size)], axis=1), ratio), 97.5
    )
    assert estimate.high > percentile + 0.04  # the data tell the two methods apart


def test_intervals_of_ratios_agree_with_scipys_bca(plain):
    """Personas differ in length, so the ratio of sums is not the mean of the ratios."""
    generator = np.random.default_rng(9)
    tokens = generator.integers(1, 40, 40)
    nll = tokens * generator.normal(3.0, 0.6, 40)
    records = [
        a_prediction(task_id=f"p{i:02d}", nll=float(nll[i]), nll_end=0.0, num_tokens=int(n) - 1)
        for i, n in enumerate(tokens)
    ]
    estimate = Bootstrap(20000, 0).metric(nats_per_token, records)
    expected = scipys_bca(
        (nll, tokens), lambda x, y, axis: x.sum(axis=axis) / y.sum(axis=axis), paired=True
    )
    assert estimate.value == pytest.approx(nll.sum() / tokens.sum())
    assert estimate.low == pytest.approx(expected.low, abs=0.02)
    assert estimate.high == pytest.approx(expected.high, abs=0.02)


def test_acceleration_of_a_mean_is_a_sixth_of_the_skewness_over_root_n():
    values = np.random.default_rng(3).gamma(1.0, 1.0, 30)
    rows = np.stack([values, np.ones(30)], axis=1)
    found = percentiles.acceleration(percentiles.leave_one_out(rows, ratio))
    assert found == pytest.approx(skew(values) / (6 * sqrt(30)), rel=1e-9)


def test_expanded_intervals_of_normal_means_are_students():
    values = np.random.default_rng(4).normal(0, 1, 20)
    values = values - np.mean(values)
    symmetric = np.concatenate([values, -values])  # no skewness: a and z0 are 0
    estimate = Bootstrap(40000, 0).mean({f"p{i:02d}": v for i, v in enumerate(symmetric)}, "x")
    expected = student.ppf(0.975, 39) * np.std(symmetric, ddof=1) / sqrt(40)
    assert estimate.high == pytest.approx(expected, rel=0.02)
    assert estimate.low == pytest.approx(-expected, rel=0.02)


# --- Training seeds crossed with personas ---------------------------------------------------------


def least_squares_components(cells):
    """Mean squares of a two-way layout by nested least squares, not by row and column means."""
    p, q = cells.shape
    y = cells.ravel()
    rows, columns = np.kron(np.eye(p), np.ones((q, 1))), np.kron(np.ones((p, 1)), np.eye(q))

    def residual(*blocks):
        x = np.hstack([np.ones((p * q, 1)), *blocks])
        return float(np.sum((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2))

    rest = residual(rows, columns)
    persona, seed = residual(columns) - rest, residual(rows) - rest
    shared = rest / ((p - 1) * (q - 1))
    return persona / (p - 1) / (p * q), max(seed / (q - 1) - shared, 0) / (p * q)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_components_are_those_of_a_two_way_analysis_of_variance(spread):
    generator = np.random.default_rng(5)
    cells = generator.normal(size=(9, 1)) + generator.normal(size=(9, 4))
    cells = cells + spread * generator.normal(size=(1, 4))
    found = components(cells)
    personas, seeds = least_squares_components(cells)
    assert found.by_personas == pytest.approx(personas)
    assert found.by_seeds == pytest.approx(seeds, abs=1e-12)


def test_without_a_spread_of_seeds_the_crossed_interval_is_students_over_personas():
    values = np.random.default_rng(6).normal(2, 1, 30)
    found = components(np.stack([values, values, values], axis=1))
    expected = ttest_1samp(values, 0)
    interval = expected.confidence_interval(0.95)
    assert found.by_seeds == pytest.approx(0, abs=1e-20)
    assert found.half_width(0.95) == pytest.approx((interval.high - interval.low) / 2)
    assert found.p_value(0.1) == pytest.approx(ttest_1samp(values - values.mean() + 0.1, 0).pvalue)


def test_where_personas_agree_the_crossed_interval_is_students_over_seeds():
    values = np.array([1.0, 2.0, 4.0])
    found = components(np.tile(values, (30, 1)))
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.half_width(0.95) == pytest.approx((interval.high - interval.low) / 2)


def test_the_crossed_p_value_is_where_the_interval_ends():
    found = components(np.random.default_rng(7).normal(size=(20, 3)))
    for level in (0.5, 0.9, 0.999):
        assert found.p_value(found.half_width(level)) == pytest.approx(1 - level, abs=1e-9)


def test_pseudo_values_of_a_mean_are_the_cells():
    cells = np.random.default_rng(8).normal(size=(5, 3))
    sums = np.stack([cells, np.ones_like(cells)], axis=-1)
    found, value = pseudo_values(sums, ratio)
    assert found == pytest.approx(cells)
    assert value == pytest.approx(cells.mean())


def test_a_crossed_perplexity_is_computed_on_the_log_scale():
    cells = np.random.default_rng(9).normal(3, 1, size=(6, 3))
    sums = np.stack([cells, np.ones_like(cells)], axis=-1)
    low, high = bounds_of_sums(sums, exp_ratio, 0.95)
    assert (log(low), log(high)) == pytest.approx(bounds_of_sums(sums, ratio, 0.95))


# --- Effect sizes and what can be detected --------------------------------------------------------


def test_the_interval_of_an_effect_size_is_the_noncentral_ts():
    values = differences(25, 11)
    found = effect_size(values)
    t = ttest_1samp(values, 0).statistic
    assert nct.sf(t, 24, 5 * found.low) == pytest.approx(0.025, abs=1e-6)
    assert nct.cdf(t, 24, 5 * found.high) == pytest.approx(0.025, abs=1e-6)


@pytest.mark.parametrize("size", [13, 50, 100, 196])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 63])
def test_what_is_detectable_has_80_percent_power(size, alpha):
    found = detectable_effect_size(size, alpha, permutations=10_000)
    critical = student.ppf(1 - alpha / 2, size - 1)
    power = nct.sf(critical, size - 1, found * sqrt(size))
    assert power == pytest.approx(0.8, abs=1e-6)


def test_with_many_personas_n_is_7_85_over_d_squared():
    for size in (400, 1600):
        d = detectable_effect_size(size, 0.05, permutations=10_000)
        assert size == pytest.approx(7.85 / d**2, rel=0.01)


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
    assert effect_size(values).value == pytest.approx(ttest_1samp(values, 0).statistic / 5)
