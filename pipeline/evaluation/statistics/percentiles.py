"""The BCa bootstrap's choice of percentiles: bias-corrected, accelerated, expanded. No torch.

Plain percentile intervals have two faults with few personas. They are too narrow, since a sample
varies less than what it is drawn from. And where an estimate is skewed (Hits@1 near chance), the
truth lies beyond one end more often than beyond the other. BCa (Efron 1987) corrects the second
fault by the bias z0 and the acceleration a. The first fault is corrected by the factor that makes a
normal mean's interval Student's (Hesterberg 2015, "What teachers should know about the bootstrap").
`docs/statistics.md` has the coverage.

Dimensions: s, bootstrap samples; p, personas; c, a metric's sums.
"""

from collections.abc import Callable
from math import sqrt

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from pipeline.evaluation.records.metric import Array


Combine = Callable[[Array], Array]  # from sums, (..., c), to the number, (...)

# Sums in different order may differ in the last bits. A sample that gives the observed number again
# must count as a tie.
_TOLERANCE = 1e-12


def leave_one_out(persona_sums: Array, combine: Combine) -> Array:
    """Return the number without each persona, (p,); `persona_sums` are (p, c)."""
    return combine(persona_sums.sum(axis=0) - persona_sums)


def acceleration(without: Array) -> float:
    """Return a, a sixth of the skewness of the leave-one-out influences; 0 if they do not vary."""
    influence = np.mean(without) - without
    largest = float(np.max(np.abs(influence)))
    if largest == 0:
        return 0.0
    influence = influence / largest  # powers of tiny numbers would vanish
    return float(np.sum(influence**3) / (6 * np.sum(influence**2) ** 1.5))


def bias(samples: Array, value: float) -> float:
    """Return z0, the normal quantile of the share of samples below `value`; a tie counts half."""
    tie = _TOLERANCE * float(np.max(np.abs(samples), where=np.isfinite(samples), initial=0.0))
    below, not_above = np.mean(samples < value - tie), np.mean(samples <= value + tie)
    least = 0.5 / len(samples)
    return float(ndtri(np.clip((below + not_above) / 2, least, 1 - least)))


def expanded_quantile(level: float, personas: int) -> float:
    """Return the z where a tail is cut: sqrt(p / (p - 1)) times Student's t of p - 1 degrees."""
    t = float(stdtrit(personas - 1, (1 + level) / 2))
    return sqrt(personas / (personas - 1)) * t


def percentiles(z0: float, a: float, z: float) -> tuple[float, float]:
    """Return the two percentiles, 0 to 100, that stand for -z and z of a normal estimate."""
    low, high = (_percentile(z0, a, end) for end in (-z, z))
    return low, high


def _percentile(z0: float, a: float, z: float) -> float:
    shrink = 1 - a * (z0 + z)
    if shrink <= 0:  # the formula's pole, where nearly all samples lie on one side: take the last
        return 100.0 if z0 + z > 0 else 0.0
    return 100 * float(ndtr(z0 + (z0 + z) / shrink))
