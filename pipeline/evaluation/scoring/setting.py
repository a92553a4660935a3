"""The sums of one setting, person by person: all that is kept of its records. No torch."""

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import ALL
from pipeline.evaluation.metrics.diversity import Diversity, Texts, Vocabulary
from pipeline.evaluation.records.exact import ExactSum, exact
from pipeline.evaluation.records.metric import Array, Metric
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.scoring.person import Person, Records, in_order
from pipeline.evaluation.statistics.bootstrap import by_persona
from pipeline.evaluation.statistics.metric_sums import MetricSums


class SumsTable:
    """One metric's sums over one setting: eight bytes for each sum of a person, and of each seed.

    Args:
        metric: of whose sums the table is.
        seeds: all training seeds, increasing; those that no person has are left out.
    """

    def __init__(self, metric: Metric, seeds: Sequence[int]) -> None:
        self._metric = metric
        self._seeds = seeds if len(seeds) > 1 else ()
        self._total: list[ExactSum] = []
        self._rows = array("d")
        self._cells = array("d")
        self._lacking: dict[int, list[str]] = {seed: [] for seed in self._seeds}

    def add(self, person: Person, records: Records) -> None:
        """Add a person's records, which hold what the metric needs."""
        columns = person.columns(self._metric, records)
        self._total = self._total or [ExactSum() for _ in columns]
        for total, column in zip(self._total, columns, strict=True):
            total.add(column)
            self._rows.append(exact(column))
        for seed in self._seeds:
            of_seed = [record for record in records if record.seed == seed]
            if of_seed:
                sums = [exact(column) for column in person.columns(self._metric, of_seed)]
            else:
                sums = [0.0] * len(columns)
                self._lacking[seed].append(person.name)
            self._cells.extend(sums)

    def sums(self, order: Sequence[int]) -> MetricSums:
        """Return the sums, the persons in the order that is given.

        Raises:
            DataError: some person lacks a seed that another has.
        """
        size = len(self._total)
        rows = np.frombuffer(self._rows).reshape(-1, size)
        total = np.array([one.value() for one in self._total])
        return MetricSums(self._metric, total, np.take(rows, order, axis=0), self._by_cell(order))

    def _by_cell(self, order: Sequence[int]) -> Array | None:
        seeds = [seed for seed in self._seeds if len(self._lacking[seed]) < len(order)]
        if len(seeds) < 2:
            return None
        missing = [(min(names), seed) for seed in seeds if (names := self._lacking[seed])]
        if missing:
            name, seed = min(missing)
            raise DataError(
                f"{name} has no records of training seed {seed}, but other personas have; run "
                "stage finetune again"
            )
        cells = np.frombuffer(self._cells).reshape(len(order), len(self._seeds), -1)
        places = [list(self._seeds).index(seed) for seed in seeds]
        return np.take(np.take(cells, order, axis=0), places, axis=1)


class SettingSums:
    """All metrics' sums over one setting; persons come one at a time.

    Attributes:
        records: their number.
        personas: the names of those who have some, as they came.
    """

    def __init__(self, seeds: Sequence[int], vocabulary: Vocabulary) -> None:
        self.records = 0
        self.personas: list[str] = []
        self._texts = Texts(vocabulary)
        self._null: Counter[str] = Counter()  # records without what a metric needs, by metric
        self._tables = {metric.name: SumsTable(metric, seeds) for metric in ALL}

    @classmethod
    def of(cls, records: Iterable[Prediction]) -> Self:
        """Return the sums over records that are all of one setting, whatever their split."""
        records = list(records)
        setting = cls(sorted({record.seed for record in records}), Vocabulary())
        for own in by_persona(records).values():
            setting.add(Person(own), own)
        return setting

    def add(self, person: Person, records: Records) -> None:
        """Add a person's records of this setting, if there are any."""
        if not records:
            return
        self.records += len(records)
        self.personas.append(person.name)
        self._texts.add(records)
        for metric in ALL:
            null = metric.null_in(records)
            self._null[metric.name] += null
            if not null:
                self._tables[metric.name].add(person, records)

    def is_defined(self, metric: Metric) -> bool:
        """Say whether the records hold what the metric needs.

        Raises:
            DataError: only some records hold it.
        """
        return metric.defined(self.records, self._null[metric.name])

    def sums(self, metric: Metric) -> MetricSums:
        """Return the sums of a metric.

        Raises:
            DataError: there are no records, some lack what the metric needs, or a person a seed.
        """
        if not self.is_defined(metric):
            raise metric.lacking(self.records)
        return self._tables[metric.name].sums(in_order(self.personas))

    def diversity(self, metric: Diversity) -> float | None:
        """Return distinct-n over all records."""
        return self._texts.diversity(metric)
