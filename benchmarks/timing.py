"""Paired timing: in every round each system runs once, one after the other, A B A B ...

A ratio is taken within a round, so that what slows the machine down for a while slows both. What
has not run before is warmed up by a round that is thrown away.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median, quantiles


BUDGET = 90.0  # seconds for the rounds of one comparison: all of them fit half an hour

Run = Callable[[], object]
Seconds = Mapping[str, list[float]]  # system -> one number per round


@dataclass(frozen=True)
class Ratio:
    """Median and quartiles of the rounds' ratios."""

    median: float
    low: float  # 25th percentile
    high: float  # 75th percentile
    n: int  # rounds

    def as_dict(self) -> dict[str, float]:
        """Return it as JSON holds it."""
        return asdict(self)


def rounds(
    systems: Mapping[str, Run], n: int, *, warm: bool = False, budget: float = BUDGET
) -> dict[str, list[float]]:
    """Run all systems in turn, up to `n` times; return seconds.

    Args:
        systems: what is compared.
        n: rounds, at least one; fewer if the next one would pass the budget.
        warm: every system has just run; otherwise a first round is left out.
        budget: seconds.
    """
    start = time.perf_counter()
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    first = 0 if warm else -1
    for number in range(first, n):
        begin = time.perf_counter()
        for name, system in systems.items():
            here = time.perf_counter()
            system()
            if number >= 0:
                seconds[name].append(time.perf_counter() - here)
        now = time.perf_counter()
        if number >= 0 and now - start + (now - begin) > budget:
            break
    return seconds


def ratio(over: list[float], under: list[float]) -> Ratio:
    """Summarise the ratios of two lists of equal length, round by round."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Ratio(median(ratios), low, high, len(ratios))


def fastest(seconds: Seconds, names: list[str]) -> list[float]:
    """Return the rounds of the system with the smallest median."""
    return seconds[min(names, key=lambda name: median(seconds[name]))]
