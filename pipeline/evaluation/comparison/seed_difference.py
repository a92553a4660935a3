"""A mean difference over the seeds that both sides have, and its variance. No torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.evaluation.records.metric import Array
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.comparison import Equivalence, LevelVerdict, OverSeeds
from pipeline.evaluation.statistics.bootstrap import LEVEL
from pipeline.evaluation.statistics.seeds import Components, components


@dataclass(frozen=True)
class SeedDifference:
    """The difference's mean over personas and seeds, and its variance."""

    seeds: Sequence[int]
    value: float
    variance: Components

    @classmethod
    def of(cls, seeds: Sequence[int], cells: Array) -> Self | None:
        """Return the difference of cells, (p, q); null below two personas or seeds."""
        variance = components(cells)
        return None if variance is None else cls(seeds, float(cells.mean()), variance)

    @property
    def p(self) -> float:
        """The p-value of 0, with other personas and other seeds."""
        return self.variance.p_value(self.value)

    @property
    def estimate(self) -> Estimate:
        """The difference with its interval over personas and seeds."""
        half = self.variance.half_width(LEVEL)
        return Estimate(value=self.value, low=self.value - half, high=self.value + half)

    def tested(
        self,
        verdict: Callable[[float, float], LevelVerdict],
        p_holm: float,
        equivalence: Equivalence | None,
    ) -> OverSeeds:
        """Return the test over seeds; `verdict` reads the difference and the corrected p-value."""
        return OverSeeds(
            seeds=list(self.seeds),
            difference=self.estimate,
            p=self.p,
            p_holm=p_holm,
            verdict=verdict(self.value, p_holm),
            equivalence=equivalence,
        )
