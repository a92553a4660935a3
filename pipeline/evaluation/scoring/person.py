"""One person's records, and what metrics add up in them. No torch."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.evaluation.records.exact import exact
from pipeline.evaluation.records.headline import select
from pipeline.evaluation.records.metric import Array, Metric, finite
from pipeline.evaluation.records.prediction import Prediction, Protocol
from pipeline.evaluation.statistics.bootstrap import by_persona


Records = Sequence[Prediction]


class Person:
    """One person's records of test, of all training seeds.

    A record is in several settings. What a metric counts in it is computed once.

    Attributes:
        name: the persona's `task_id`.
        records: all of them, at least one.
    """

    def __init__(self, records: Records) -> None:
        self.name = records[0].task_id
        self.records = records
        self._counts: dict[str, dict[int, tuple[float, ...]]] = {}  # by metric and record

    def select(
        self, protocol: Protocol, *, epoch: int | None = None, k: int | None = None
    ) -> list[Prediction]:
        """Return the records of one setting, as `headline.select` does."""
        return select(self.records, "test", protocol, epoch=epoch, k=k)

    def columns(self, metric: Metric, records: Records) -> list[tuple[float, ...]]:
        """Return what each of some of the person's records adds to each of the metric's sums, c."""
        known = self._counts.setdefault(metric.name, {})
        rows = []
        for record in records:
            if id(record) not in known:  # an identity stays, since the person keeps its records
                known[id(record)] = metric.counts(record)
            rows.append(known[id(record)])
        return list(zip(*rows, strict=True))

    def value(self, metric: Metric, records: Records) -> float:
        """Return the metric over some of the person's records.

        Raises:
            DataError: it is not finite.
        """
        sums = np.array([exact(column) for column in self.columns(metric, records)])
        return finite(metric.name, metric.combine(sums))


def people_of(records: Iterable[Prediction]) -> Iterator[Person]:
    """Yield the persons of some records of test, in the order of their names."""
    of_test = (record for record in records if record.split == "test")
    return (Person(own) for own in by_persona(of_test).values())


def in_order(names: Sequence[str]) -> list[int]:
    """Return the places of some persons in the order of their names."""
    return sorted(range(len(names)), key=names.__getitem__)


def values_of(metric: Metric, by_persona: Array) -> Array:
    """Return the metric of each persona, (p,), from its sums, (p, c).

    Raises:
        DataError: it is not finite for some persona.
    """
    return np.array([finite(metric.name, metric.combine(sums)) for sums in by_persona])
