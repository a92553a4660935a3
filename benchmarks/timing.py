"""Paired timing: in every round each system runs once, one after the other, A B A B ...

A ratio is taken within a round, so that what slows the machine down for a while slows both. The
first round warms up and is thrown away.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import median, quantiles


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


def rounds(systems: Mapping[str, Run], n: int) -> dict[str, list[float]]:
    """Run all systems `n` + 1 times in turn; return seconds, the first round left out."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for number in range(n + 1):
        for name, system in systems.items():
            begin = time.perf_counter()
            system()
            if number:
                seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(over: list[float], under: list[float]) -> Ratio:
    """Summarise the ratios of two lists of equal length, round by round."""
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Ratio(median(ratios), low, high, len(ratios))


def fastest(seconds: Seconds, names: list[str]) -> list[float]:
    """Return the rounds of the system with the smallest median."""
    return seconds[min(names, key=lambda name: median(seconds[name]))]
