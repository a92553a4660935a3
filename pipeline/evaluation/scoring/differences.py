"""Metrics of one setting minus those of another: one number per person and metric. No torch."""

from array import array
from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.records.metric import Metric
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.scoring.person import Person, Records, in_order
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.persona_values import common


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
