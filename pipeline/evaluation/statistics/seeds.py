"""Intervals over training seeds crossed with personas: a statement on the method. No torch.

Every seed's model meets every persona. So the numbers of one seed vary together, and so do the
numbers of one persona. An interval over personas holds the trained models fixed. The intervals here
say where the number would lie with other personas and other seeds.

A metric's cells (persona by seed) become jackknife pseudo-values. Their mean squares give the
variance of the mean by personas, A, and the variance that seeds add, B. The half-width is

    sqrt(t(p-1)^2 A + t(q-1)^2 B),

each part at its own Student quantile: with three seeds B has two degrees of freedom. Resampling
seeds and personas (the pigeonhole bootstrap) does not account for that; docs/statistics.md compares
both in simulation.

Dimensions: p, personas; q, seeds; c, a metric's sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
from scipy.special import stdtrit

from pipeline.errors import DataError
from pipeline.evaluation.records.metric import Array, Metric, exp_ratio
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics.percentiles import Combine


Bounds = tuple[float, float]


@dataclass(frozen=True)
class Components:
    """The variance of a mean over p personas and q seeds, in the number's unit squared."""

    personas: int
    seeds: int
    by_personas: float  # A: personas, and their interaction with seeds
    by_seeds: float  # B: what seeds add; 0 where they agree better than chance

    def half_width(self, level: float) -> float:
        """Return half the width of the interval that covers with probability `level`."""
        t_personas, t_seeds = (
            float(stdtrit(size - 1, (1 + level) / 2)) for size in (self.personas, self.seeds)
        )
        return sqrt(t_personas**2 * self.by_personas + t_seeds**2 * self.by_seeds)

    def p_value(self, distance: float) -> float:
        """Return the two-sided p-value of 0: 1 - the level whose interval just reaches 0."""
        low, high = 0.0, 1.0
        for _ in range(60):
            level = (low + high) / 2
            low, high = (level, high) if self.half_width(level) < abs(distance) else (low, level)
        return 1 - (low + high) / 2


def components(cells: Array) -> Components | None:
    """Return the variance components of the mean of `cells`, (p, q); null below two of either."""
    personas, seeds = cells.shape
    if min(personas, seeds) < 2:
        return None
    mean = cells.mean()
    rows, columns = cells.mean(axis=1) - mean, cells.mean(axis=0) - mean
    rest = cells - mean - rows[:, None] - columns[None, :]
    by_personas = float(np.sum(rows**2)) / (personas * (personas - 1))
    by_seeds = float(np.sum(columns**2)) / (seeds * (seeds - 1))
    shared = float(np.sum(rest**2)) / (personas * seeds * (personas - 1) * (seeds - 1))
    return Components(personas, seeds, by_personas, max(by_seeds - shared, 0.0))


def difference_bounds(metric: Metric, sums: Array, others: Array, level: float) -> Bounds | None:
    """Return the interval over personas and seeds of a mean difference; every cell weighs the same.

    Null below two personas or seeds.

    Args:
        metric: the number.
        sums: of the minuend, (p, q, c).
        others: of the subtrahend, on the same replies and seeds.
        level: of the interval.
    """
    cells = metric.combine(sums) - metric.combine(others)
    variance = components(cells)
    if variance is None:
        return None
    value, half = float(cells.mean()), variance.half_width(level)
    return value - half, value + half


def bounds_of_sums(sums: Array, combine: Combine, level: float) -> Bounds | None:
    """Return the interval of `combine` of sums, (p, q, c), pooled over personas and seeds."""
    if min(sums.shape[:2]) < 2:
        return None
    logarithmic = combine is exp_ratio
    cells, value = pseudo_values(sums, lambda s: np.log(combine(s)) if logarithmic else combine(s))
    variance = components(cells)
    if variance is None:
        return None
    half = variance.half_width(level)
    return (exp(value - half), exp(value + half)) if logarithmic else (value - half, value + half)


def pseudo_values(sums: Array, combine: Combine) -> tuple[Array, float]:
    """Return each cell's jackknife pseudo-value, (p, q), and the number itself."""
    total = sums.sum(axis=(0, 1))
    count = sums.shape[0] * sums.shape[1]
    value = float(combine(total))
    return count * value - (count - 1) * combine(total - sums), value


def sums_by_cell(metric: Metric, records: Sequence[Prediction]) -> Array:
    """Return the metric's sums for each persona and seed, (p, q, c).

    Raises:
        DataError: as the metric, or some persona lacks a seed.
    """
    cells: dict[tuple[str, int], list[Prediction]] = {}
    for record in records:
        cells.setdefault((record.task_id, record.seed), []).append(record)
    personas, seeds = (sorted(set(names)) for names in zip(*cells, strict=True))
    missing = [(name, seed) for name in personas for seed in seeds if (name, seed) not in cells]
    if missing:
        raise DataError(
            f"{missing[0][0]} has no records of training seed {missing[0][1]}, but other personas "
            "have; run stage finetune again"
        )
    return np.array([[metric.sums(cells[name, seed]) for seed in seeds] for name in personas])
