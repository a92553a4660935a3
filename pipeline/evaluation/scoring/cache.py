"""What a cache of the support's tokens gives without any adaptation. No torch.

The model is the unadapted one, the weight that of valid (`records/cached.py`). All numbers are in
nats per token, closing token counted, means over personas, on the same replies.
"""

from collections.abc import Sequence

from pipeline.evaluation.records.cached import cached, with_cache
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.schemas.details import CacheControl
from pipeline.evaluation.scoring.differences import SharedReplies
from pipeline.evaluation.scoring.person import Person, Records
from pipeline.evaluation.statistics.bootstrap import Bootstrap


class CacheSums:
    """One K's cache beside fine-tuning, and beside a stranger's cache; persons come one by one."""

    def __init__(self, weight: str, seeds: Sequence[int]) -> None:
        self._weight = weight
        mixed = cached(weight)
        self._own = SharedReplies((nats_per_token, mixed, nats_per_token), seeds)
        self._stranger = SharedReplies((nats_per_token, mixed), seeds)

    def add(
        self, person: Person, before: Records, own: Records, after: Records, stranger: Records
    ) -> None:
        """Add a person.

        Args:
            person: who.
            before: not adapted.
            own: records with the cache of the person's own support.
            after: fine-tuned on that support.
            stranger: records with a stranger's cache; may be empty.
        """
        self._own.add(person, before, with_cache(own), after)
        self._stranger.add(person, before, with_cache(stranger))

    def estimates(self, bootstrap: Bootstrap) -> CacheControl | None:
        """Return the comparison; null where no record has a cache."""
        if not self._own.names:
            return None
        plain, mixed, tuned = range(3)
        return CacheControl(
            weight=float(self._weight),
            gain=self._own.fall("gain of the cache", plain, mixed, bootstrap),
            swap_gain=self._stranger.fall("gain of a stranger's cache", 0, 1, bootstrap)
            if self._stranger.names
            else None,
            behind_fine_tuning=self._own.fall("cache minus fine-tuned", mixed, tuned, bootstrap),
        )
