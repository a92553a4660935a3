"""Which settings a variant's records have, and the headline epoch, in one pass. No torch.

The records come one by one. Kept are a count for each setting and the sums of valid.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Self

from pipeline.evaluation.records.cached import CacheChoice
from pipeline.evaluation.records.headline import HeadlineChoice
from pipeline.evaluation.records.prediction import Prediction, Protocol


class Overview:
    """Takes a variant's records one by one, and knows then what there is to score."""

    def __init__(self) -> None:
        self._choice = HeadlineChoice()
        self._cache = CacheChoice()
        self._settings: Counter[tuple[Protocol, int, int]] = (
            Counter()
        )  # of test: protocol, k, epoch
        self._seeds: set[int] = set()

    @classmethod
    def of(cls, records: Iterable[Prediction]) -> Self:
        """Return the overview of some records."""
        overview = cls()
        for record in records:
            overview.add(record)
        return overview

    def add(self, record: Prediction) -> None:
        """Take the next record."""
        self._choice.add(record)
        self._cache.add(record)
        if record.split == "test":
            self._settings[record.protocol, record.k, record.epoch] += 1
            self._seeds.add(record.seed)

    @property
    def headline(self) -> int:
        """The headline epoch.

        Raises:
            DataError: as `headline_epoch`.
        """
        return self._choice.epoch()

    def epoch_at(self, k: int) -> int:
        """Return the epoch that Fig. 3 shows at a K: the headline epoch, or the only one there is.

        K = 0 has records at epoch 0 alone, and a K of `finetune.by_k` at its own.

        Raises:
            DataError: as `headline_epoch`.
        """
        epochs = self.epochs("k_shot", k=k)
        return epochs[0] if len(epochs) == 1 else self.headline

    def cache_weight(self, k: int | None) -> str | None:
        """Return the cache's weight that valid chooses for K; null: of leave-one-out."""
        return self._cache.weight(k)

    @property
    def seeds(self) -> list[int]:
        """The training seeds of test, increasing."""
        return sorted(self._seeds)

    def has(self, protocol: Protocol, *, epoch: int | None = None) -> bool:
        """Say whether test has records of a protocol, at an epoch or at any."""
        return any(p == protocol and epoch in (None, e) for p, _, e in self._settings)

    def epochs(self, protocol: Protocol, *, k: int | None = None) -> list[int]:
        """Return a protocol's epochs on test, increasing; a null K selects every one."""
        return sorted({e for p, at, e in self._settings if p == protocol and k in (None, at)})

    def shots(self) -> list[int]:
        """Return the K of `k_shot` on test, increasing."""
        return sorted({k for p, k, _ in self._settings if p == "k_shot"})
