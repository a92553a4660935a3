"""Tests and effect sizes for paired differences, one per persona. No torch.

Dimensions: d, draws; p, personas.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import sqrt

import numpy as np
from scipy.special import nctdtrinc, stdtrit

from pipeline.evaluation.records.metric import Array
from pipeline.evaluation.statistics.bootstrap import LEVEL, generator


EXACT_UP_TO = 12  # personas; 4,096 sign patterns
POWER = 0.8

# Sums in different order may differ in the last bits. A pattern that gives the observed mean again
# must count as extreme.
_TOLERANCE = 1e-12

# Beyond this t scipy's inverse of the noncentral t is inexact, and from 2e5 on it may not return.
_LARGEST_T = 1e4


@dataclass(frozen=True)
class EffectSize:
    """Cohen's d_z: the mean of the differences over their standard deviation."""

    value: float
    low: float  # exact 95 % interval for normal differences, by the noncentral t
    high: float


def effect_size(differences: Array) -> EffectSize | None:
    """Return d_z of paired differences, (p,); null if they vary by hardly more than rounding.

    Then the mean is so many standard errors from 0 that its t is over _LARGEST_T.
    """
    size = len(differences)
    if size < 2 or np.ptp(differences) <= _TOLERANCE * np.max(np.abs(differences)):
        return None
    value = float(np.mean(differences) / np.std(differences, ddof=1))
    t = value * sqrt(size)
    if abs(t) > _LARGEST_T:
        return None
    low, high = (
        float(nctdtrinc(size - 1, tail, t)) / sqrt(size)
        for tail in ((1 + LEVEL) / 2, (1 - LEVEL) / 2)
    )
    return EffectSize(value, low, high)


def detectable(differences: Array, alpha: float, *, permutations: int) -> float | None:
    """Return the smallest mean difference that such a sample shows, in the metric's unit.

    That is `detectable_effect_size` times the differences' standard deviation. It is null for one
    persona, or where the test cannot reach `alpha`.
    """
    size = detectable_effect_size(len(differences), alpha, permutations=permutations)
    return None if size is None else size * float(np.std(differences, ddof=1))


def detectable_effect_size(personas: int, alpha: float, *, permutations: int) -> float | None:
    """Return the smallest d_z that a two-sided test at `alpha` finds in POWER of all samples.

    It is computed by the power of the paired t test, which sign flips reach (docs/statistics.md).
    It is null for one persona, or where the test cannot reach `alpha`.

    Args:
        personas: of the sample.
        alpha: after correction, so 0.05 / m for Holm's first step over m tests.
        permutations: as in `sign_flip_p`, whose p-value is at least 1 / (1 + permutations).
    """
    if personas < 2 or smallest_p(personas, permutations) >= alpha:
        return None
    critical = float(stdtrit(personas - 1, 1 - alpha / 2))
    return float(nctdtrinc(personas - 1, 1 - POWER, critical)) / sqrt(personas)


def smallest_p(personas: int, permutations: int) -> float:
    """Return the smallest p-value that `sign_flip_p` can give."""
    return 2.0 ** (1 - personas) if personas <= EXACT_UP_TO else 1 / (permutations + 1)


def sign_flip_p(differences: Array, *, permutations: int, seed: int) -> float:
    """Return the two-sided p-value of a mean difference of 0 under exchangeable signs.

    For EXACT_UP_TO personas or fewer it counts all sign patterns. Otherwise it draws `permutations`
    patterns and counts the observed one among them, so that p is never 0.

    Args:
        differences: one per persona, (p,).
        permutations: drawn patterns.
        seed: of the draws; every test with as many personas draws the same patterns.
    """
    sums = _flipped(differences, permutations, seed)
    return _share_as_extreme(np.abs(sums), abs(np.sum(differences)), differences)


def one_sided_p(differences: Array, *, permutations: int, seed: int) -> float:
    """Return the p-value of a mean difference of 0 or less; arguments as `sign_flip_p`."""
    sums = _flipped(differences, permutations, seed)
    return _share_as_extreme(sums, np.sum(differences), differences)


def _flipped(differences: Array, permutations: int, seed: int) -> Array:
    """Return the sum of the differences under each sign pattern, (d,)."""
    size = len(differences)
    signs = _all_signs(size) if size <= EXACT_UP_TO else _signs(size, permutations, seed)
    return np.einsum("dp,p->d", signs, differences)


def _share_as_extreme(sums: Array, observed: float, differences: Array) -> float:
    """Return the share of patterns with a sum of `observed` or more; drawn ones with itself."""
    as_extreme = int(np.sum(sums >= observed - _TOLERANCE * np.sum(np.abs(differences))))
    if len(differences) <= EXACT_UP_TO:
        return as_extreme / len(sums)
    return (as_extreme + 1) / (len(sums) + 1)


def _all_signs(size: int) -> Array:
    return np.array(list(product((1.0, -1.0), repeat=size)))  # (2^p, p)


@lru_cache(maxsize=4)
def _signs(size: int, permutations: int, seed: int) -> Array:
    draws = generator(seed, "sign flips").integers(0, 2, size=(permutations, size))
    return np.where(draws == 1, 1.0, -1.0)  # (d, p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the given order."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
