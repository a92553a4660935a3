"""What settings differ by, on the replies that all of them score: values per person. No torch."""

from array import array
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.records.metric import Array, Metric
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.scoring.person import Person, Records, in_order, values_of
from pipeline.evaluation.scoring.setting import SumsTable
from pipeline.evaluation.statistics.bootstrap import LEVEL, Bootstrap
from pipeline.evaluation.statistics.persona_values import common
from pipeline.evaluation.statistics.seeds import difference_bounds


class Differences:
    """Per person, metrics over one setting minus those over another, on the replies of both."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics
        self._names: list[str] = []
        self._values = {metric.name: array("d") for metric in metrics}

    def add(self, person: Person, minuend: Records, subtrahend: Records) -> None:
        """Add a person, unless the settings have no reply in common; what is null is left out."""
        higher, lower = common(minuend, subtrahend)
        if not higher:
            return
        self._names.append(person.name)
        for metric in self._metrics:
            if not metric.null_in(higher) and not metric.null_in(lower):
                difference = person.value(metric, higher) - person.value(metric, lower)
                self._values[metric.name].append(difference)

    def mean(self, metric: Metric, bootstrap: Bootstrap) -> Estimate:
        """Return the mean over persons; both settings must hold what the metric needs.

        Raises:
            DataError: it is not finite.
        """
        values = np.array(self._values[metric.name])[in_order(self._names)]
        return bootstrap.mean_of(values, f"difference in {metric.name}")


class SharedReplies:
    """Nats per token in several settings; persons come one at a time.

    Args:
        metrics: of each setting, what is counted in its records: two sums and their ratio.
        seeds: all training seeds.
    """

    def __init__(self, metrics: Sequence[Metric], seeds: Sequence[int]) -> None:
        self.names: list[str] = []
        self._metrics = metrics
        self._tables = [SumsTable(metric, seeds) for metric in metrics]

    def add(self, person: Person, *settings: Records) -> None:
        """Add a person, unless the settings have no reply in common."""
        shared = common(*settings)
        if not shared[0]:
            return
        self.names.append(person.name)
        for table, records in zip(self._tables, shared, strict=True):
            table.add(person, records)

    def values(self) -> list[Array]:
        """Return nats per token in each setting, of each person, (p,), by their names."""
        order = in_order(self.names)
        return [
            values_of(metric, table.sums(order).by_persona)
            for metric, table in zip(self._metrics, self._tables, strict=True)
        ]

    def fall(self, name: str, higher: int, lower: int, bootstrap: Bootstrap) -> Estimate:
        """Return the mean fall of the NLL from one of the settings to another.

        Over several training seeds the estimate also has an interval over personas and seeds.
        """
        values = self.values()
        fall = bootstrap.mean_of(values[higher] - values[lower], name)
        order = in_order(self.names)
        cells, others = (self._tables[i].sums(order).by_cell for i in (higher, lower))
        crossed = (
            None
            if cells is None or others is None
            else difference_bounds(self._metrics[higher], cells, others, LEVEL)
        )
        if crossed is None:
            return fall
        low, high = crossed
        return Estimate(
            value=fall.value, low=fall.low, high=fall.high, crossed_low=low, crossed_high=high
        )


def share(part: Array, whole: Array, name: str, bootstrap: Bootstrap) -> Estimate | None:
    """Return Σ part / Σ whole over personas; null unless the whole's interval lies above 0.

    Else the ratio's denominator may be 0, and the ratio anything.
    """
    low = bootstrap.mean_of(whole, name).low
    if low is None or low <= 0:
        return None
    return bootstrap.ratio(np.stack([part, whole], axis=1), name)
