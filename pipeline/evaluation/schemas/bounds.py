"""Bounds that a number keeps, whatever was measured: a file beyond them was edited or damaged.

They are checked where a file is read, not where a stage puts numbers together: what a stage has
reckoned is told by its own errors.
"""

from collections.abc import Mapping
from typing import Annotated, Protocol

from pydantic import AfterValidator, ValidationInfo


READING = {"reading": True}  # pydantic's context
ROUNDING = 1e-6  # of kept numbers, which have nine digits
SLACK = 2e-3  # a likelihood of float32 may be 0.001 nats beyond 1
PERCENT = ("f1", "bleu", "distinct", "empty", "repetition", "expected")  # parts of names


class Interval95(Protocol):
    """A number with its intervals."""

    @property
    def value(self) -> float:
        """The number."""
        ...

    @property
    def low(self) -> float | None:
        """The interval's lower end."""
        ...

    @property
    def high(self) -> float | None:
        """The interval's upper end."""
        ...


def is_read(info: ValidationInfo) -> bool:
    """Say whether a file is being read."""
    return bool(info.context and info.context.get("reading"))


def require_order(value: float, low: float | None, high: float | None, what: str) -> None:
    """Refuse an interval that does not hold its number.

    Raises:
        ValueError: says both.
    """
    if low is None or high is None:
        return
    slack = ROUNDING * max(1.0, abs(value), abs(low), abs(high))
    if not low - slack <= value <= high + slack:
        raise ValueError(f"{what} {low:g} to {high:g} does not hold the value {value:g}")


def require_range(metric: str, value: float) -> None:
    """Refuse a value that a metric cannot have: percents, perplexities, ranks and their parts.

    Raises:
        ValueError: says the metric, the value and the bound.
    """
    low, high = range_of(metric)
    if not low - SLACK <= value <= high + SLACK:
        within = f"{low:g} to {high:g}" if high < float("inf") else f"{low:g} or more"
        raise ValueError(f"{metric} is {value:g}, {within} was expected")


def range_of(metric: str) -> tuple[float, float]:
    """Return the least and the most that a metric of the details can be.

    >>> range_of("hits_at_1_by_pmi"), range_of("ppl_per_word")
    ((0.0, 100.0), (1.0, inf))
    """
    if metric.startswith("hits_at_") or not {*PERCENT}.isdisjoint(metric.split("_")):
        return 0.0, 100.0
    if metric.startswith("mrr"):
        return 0.0, 1.0
    if metric.startswith(("ppl", "mean_rank")):
        return 1.0, float("inf")
    return float("-inf"), float("inf")


def _share(value: float, info: ValidationInfo) -> float:
    if is_read(info) and not -ROUNDING <= value <= 1 + ROUNDING:
        raise ValueError(f"{value:g} found, 0 to 1 was expected")
    return value


Share = Annotated[float, AfterValidator(_share)]  # a probability, or another share of a whole


def _of_its_name(value: float, info: ValidationInfo) -> float:
    if is_read(info):
        require_range(info.field_name or "", value)
    return value


Score = Annotated[float, AfterValidator(_of_its_name)]  # in the bounds of the field's name


def require_metrics(
    estimates: Mapping[str, Interval95 | None], info: ValidationInfo
) -> Mapping[str, Interval95 | None]:
    """Return metrics by name as they are; pydantic asks for it.

    Raises:
        ValueError: one is out of its bounds.
    """
    for name, estimate in estimates.items() if is_read(info) else ():
        for end in () if estimate is None else (estimate.value, estimate.low, estimate.high):
            if end is not None:
                require_range(name, end)
    return estimates
