"""Exactly rounded sums, whatever the order of the values and the parts they come in. No torch."""

from collections.abc import Iterable, Sequence
from math import fsum, inf, isfinite, nan


_KEPT = 64  # values, above which a sum is shortened


def exact(values: Iterable[float]) -> float:
    """Return the sum as `math.fsum` rounds it; not finite where no float is."""
    try:
        return fsum(values)
    except OverflowError:
        return inf
    except ValueError:  # inf and -inf
        return nan


class ExactSum:
    """A sum whose values come little by little: that of `exact` over all of them, to the bit.

    Few values are kept: floats that add up to exactly the same real number.
    """

    def __init__(self) -> None:
        self._values: list[float] = []

    def add(self, values: Iterable[float]) -> None:
        """Add values."""
        self._values.extend(values)
        if len(self._values) > _KEPT:
            self._values = _shortened(self._values)

    def value(self) -> float:
        """Return the sum of all values so far."""
        return exact(self._values)


def _shortened(values: Sequence[float]) -> list[float]:
    """Return a few floats of the same sum: the sum rounded, what that left out, and so on."""
    parts: list[float] = []
    rest = exact(values)
    while rest:
        parts.append(rest)
        if not isfinite(rest):
            break
        rest = exact([*values, *(-part for part in parts)])
    return parts
