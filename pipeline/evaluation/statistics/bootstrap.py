"""95 % intervals by resampling personas, the unit of the study. No torch.

Replies of a dialogue are alike, and so are dialogues of a persona. So personas are drawn with
replacement, and each brings all its records, of every training seed. These intervals cover the
choice of personas. They hold the trained models, the support draws and the decoder's random numbers
fixed. Where there are several training seeds, `crossed_low` and `crossed_high` also cover the
choice of seeds (`seeds.py`).

`percentiles.py` chooses the percentiles that are the interval's ends.

Dimensions: s, bootstrap samples; p, personas; c, a metric's sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.records.metric import Array, Metric, finite, ratio
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.statistics import percentiles
from pipeline.evaluation.statistics.metric_sums import MetricSums
from pipeline.evaluation.statistics.percentiles import Combine
from pipeline.evaluation.statistics.seeds import bounds_of_sums, components, sums_by_cell


LEVEL = 0.95

_AT_ONCE = 1 << 20  # weights in memory as floats


def by_persona(records: Iterable[Prediction]) -> dict[str, list[Prediction]]:
    """Return each persona's records, of all seeds; personas in the order of their names."""
    personas: dict[str, list[Prediction]] = {}
    for record in records:
        personas.setdefault(record.task_id, []).append(record)
    return dict(sorted(personas.items()))


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
            DataError: as the metric; it is not finite in some sample; or a persona lacks a seed.
        """
        return self.pooled(
            MetricSums(
                metric,
                total=metric.sums(records),
                by_persona=np.array([metric.sums(own) for own in by_persona(records).values()]),
                by_cell=sums_by_cell(metric, records) if len(_seeds(records)) > 1 else None,
            )
        )

    def pooled(self, sums: MetricSums) -> Estimate:
        """Return what `metric` does, from sums.

        Raises:
            DataError: the metric is not finite, over all records or in some sample.
        """
        name, combine = sums.metric.name, sums.metric.combine
        low, high = self.bounds(sums.by_persona, combine, name)
        cells = sums.by_cell
        crossed = None if cells is None else bounds_of_sums(cells, combine, LEVEL)
        crossed_low, crossed_high = crossed or (None, None)
        return Estimate(
            value=finite(name, combine(sums.total)),
            low=low,
            high=high,
            crossed_low=crossed_low,
            crossed_high=crossed_high,
        )

    def mean(self, values: Mapping[str, float], name: str) -> Estimate:
        """Return the mean of one value per persona.

        Raises:
            DataError: the mean is not finite.
        """
        return self.mean_of(np.array([values[persona] for persona in sorted(values)]), name)

    def mean_of(self, values: Array, name: str) -> Estimate:
        """Return the mean of one value per persona, (p,), in the order of their names.

        Raises:
            DataError: the mean is not finite.
        """
        return self.ratio(np.stack([values, np.ones(len(values))], axis=1), name)

    def ratio(self, persona_sums: Sequence[Array] | Array, name: str) -> Estimate:
        """Return the ratio of two sums over personas; `persona_sums` are p of (2,).

        Raises:
            DataError: the ratio is not finite, or not finite in some sample.
        """
        value = finite(name, ratio(np.sum(persona_sums, axis=0)))
        low, high = self.bounds(persona_sums, ratio, name)
        return Estimate(value=value, low=low, high=high)

    def over_cells(self, cells: Array, name: str) -> Estimate:
        """Return the mean of all cells, (p, q): every person and seed weighs the same.

        With two seeds or more the estimate has bounds over people and seeds, too.

        Raises:
            DataError: the mean is not finite.
        """
        mean = self.mean_of(cells.mean(axis=1), name)
        variance = components(cells)
        if variance is None:
            return mean
        half = variance.half_width(LEVEL)
        crossed = {"crossed_low": mean.value - half, "crossed_high": mean.value + half}
        return mean.model_copy(update=crossed)

    def bounds(
        self, persona_sums: Sequence[Array] | Array, combine: Combine, name: str
    ) -> tuple[float, float] | tuple[None, None]:
        """Return the interval's ends: expanded BCa percentiles of `combine` over samples.

        Args:
            persona_sums: p of (c,).
            combine: from (s, c) to (s,).
            name: of the number, for the error.

        Raises:
            DataError: the number, the number without some persona, or a bound is not finite.
        """
        if len(persona_sums) < 2:
            return None, None
        stacked = np.asarray(persona_sums)
        samples = self.resampled(stacked, combine)
        z0 = percentiles.bias(samples, finite(name, combine(stacked.sum(axis=0))))
        a = finite(name, percentiles.acceleration(percentiles.leave_one_out(stacked, combine)))
        ends = percentiles.percentiles(
            z0, a, percentiles.expanded_quantile(LEVEL, len(persona_sums))
        )
        low, high = np.percentile(samples, ends)
        return finite(name, low), finite(name, high)

    def resampled(self, persona_sums: Array, combine: Combine) -> Array:
        """Return `combine` of each sample's sums, from (p, c) to (s,)."""
        weights = _weights(len(persona_sums), self.samples, self.seed)
        rows = 1 + _AT_ONCE // len(persona_sums)
        # einsum, not a matrix product: the same sums whatever BLAS and its threads do.
        sums = [
            np.einsum("sp,pc->sc", weights[first : first + rows].astype(np.float64), persona_sums)
            for first in range(0, len(weights), rows)
        ]
        return combine(np.concatenate(sums))

    def weights(self, personas: int) -> Array:
        """Return how often each persona is drawn in each sample, (s, p): the same every time."""
        return _weights(personas, self.samples, self.seed).astype(np.float64)


def _seeds(records: Iterable[Prediction]) -> set[int]:
    return {record.seed for record in records}


@lru_cache(maxsize=2)  # Table 1's personas and Fig. 3's
def _weights(personas: int, samples: int, seed: int) -> NDArray[np.unsignedinteger[Any]]:
    random, rows = generator(seed, "bootstrap"), 1 + _AT_ONCE // personas
    some = []
    for first in range(0, samples, rows):
        draws = random.multinomial(
            personas, np.full(personas, 1 / personas), size=min(rows, samples - first)
        )
        some.append(draws.astype(np.min_scalar_type(draws.max())))  # a byte each
    return np.concatenate(some)
