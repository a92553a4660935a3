"""95 % intervals by resampling personas, the unit of the study. No torch.

Replies of a dialogue and dialogues of a persona go together, so personas are drawn with
replacement and each brings all its records, those of every training seed too. These intervals
cover the choice of personas and hold the trained models, the support draws and the decoding's
random numbers fixed. Where there are several training seeds, `crossed_low` and `crossed_high` cover
the choice of seeds as well (`crossed.py`).

Which percentiles are taken says `bca.py`. Dimensions: s, bootstrap samples; p, personas; c, a
metric's sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import numpy as np

from pipeline.evaluation.records.metric import Array, Metric, finite, ratio
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics import percentiles
from pipeline.evaluation.statistics.percentiles import Combine
from pipeline.evaluation.statistics.seeds import Bounds, crossed_bounds


LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval over personas; null bounds for a single persona."""

    value: float
    low: float | None
    high: float | None

    def as_dict(self) -> dict[str, float | None]:
        """Return it as JSON holds it."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class SeededEstimate(Estimate):
    """One whose records know their training seeds; no crossed interval for a single seed."""

    crossed: Bounds | None

    def as_dict(self) -> dict[str, float | None]:
        """Return it as JSON holds it."""
        low, high = self.crossed or (None, None)
        return super().as_dict() | {"crossed_low": low, "crossed_high": high}


def by_persona(records: Iterable[Prediction]) -> dict[str, list[Prediction]]:
    """Return each persona's records, of all seeds; personas in the order of their names."""
    found: dict[str, list[Prediction]] = {}
    for record in records:
        found.setdefault(record.task_id, []).append(record)
    return dict(sorted(found.items()))


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the numpy generator of one purpose."""
    return np.random.default_rng(Random(f"{seed}/{purpose}").getrandbits(128))


@dataclass(frozen=True)
class Bootstrap:
    """The bootstrap over personas: of ratio metrics, and of means of per-persona values."""

    samples: int
    seed: int

    def metric(self, metric: Metric, records: Sequence[Prediction]) -> Estimate:
        """Return the metric over all records; in each sample the personas' sums are pooled anew.

        Raises:
            DataError: as the metric; it is not finite in some sample, or some persona lacks a seed.
        """
        rows = [metric.sums(those) for those in by_persona(records).values()]
        low, high = self.bounds(rows, metric.combine, metric.name)
        crossed = crossed_bounds(metric, records, LEVEL) if len(_seeds(records)) > 1 else None
        return SeededEstimate(metric(records), low, high, crossed)

    def mean(self, values: Mapping[str, float], name: str) -> Estimate:
        """Return the mean of one value per persona.

        Raises:
            DataError: it is not finite.
        """
        return self.ratio([np.array([values[persona], 1.0]) for persona in sorted(values)], name)

    def ratio(self, rows: Sequence[Array], name: str) -> Estimate:
        """Return the ratio of two sums over personas; `rows` are p of (2,).

        Raises:
            DataError: it is not finite, or not in some sample.
        """
        value = finite(name, ratio(np.sum(rows, axis=0)))
        return Estimate(value, *self.bounds(rows, ratio, name))

    def bounds(
        self, rows: Sequence[Array], combine: Combine, name: str
    ) -> tuple[float, float] | tuple[None, None]:
        """Return the interval's ends: expanded BCa percentiles of `combine` over resampled rows.

        Args:
            rows: each persona's sums, p of (c,).
            combine: from (s, c) to (s,).
            name: of the number, for the error.

        Raises:
            DataError: the number, or it without some persona, or a bound is not finite.
        """
        if len(rows) < 2:
            return None, None
        stacked = np.stack(rows)
        found = self.resampled(stacked, combine)
        z0 = percentiles.bias(found, finite(name, combine(stacked.sum(axis=0))))
        a = finite(name, percentiles.acceleration(percentiles.leave_one_out(stacked, combine)))
        chosen = percentiles.percentiles(z0, a, percentiles.expanded_quantile(LEVEL, len(rows)))
        low, high = np.percentile(found, chosen)
        return finite(name, low), finite(name, high)

    def resampled(self, rows: Array, combine: Combine) -> Array:
        """Return `combine` of the sums of resampled rows, (p, c) to (s,)."""
        # einsum, not a matrix product: the same sums whatever BLAS and its threads do.
        return combine(np.einsum("sp,pc->sc", self.weights(len(rows)), rows))

    def weights(self, personas: int) -> Array:
        """Return how often each persona is drawn in each sample, (s, p): the same every time."""
        return _weights(personas, self.samples, self.seed)


def _seeds(records: Iterable[Prediction]) -> set[int]:
    return {record.seed for record in records}


@lru_cache(maxsize=4)
def _weights(personas: int, samples: int, seed: int) -> Array:
    draws = generator(seed, "bootstrap").multinomial(
        personas, np.full(personas, 1 / personas), size=samples
    )
    return draws.astype(np.float64)
