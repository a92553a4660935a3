"""Fig. 3's controls at each K: a stranger's dialogues, a cache, equal updates, the text's worth.

All numbers are in nats per token, closing token counted, means over personas, on the same replies.
No torch.
"""

from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import CacheControl, Recovered, ShotSwap
from pipeline.evaluation.scoring.cache import CacheSums
from pipeline.evaluation.scoring.differences import Differences, SharedReplies
from pipeline.evaluation.scoring.person import Person
from pipeline.evaluation.scoring.texts import RecoveredSums
from pipeline.evaluation.statistics.bootstrap import Bootstrap


class ShotControls:
    """The sums of Fig. 3's controls; persons come one at a time."""

    def __init__(self, overview: Overview) -> None:
        self._epoch = {k: overview.epoch_at(k) for k in overview.shots()}
        shots = [k for k in overview.shots() if k]
        self._swap = {
            k: SharedReplies((nats_per_token,) * 3, overview.seeds)
            for k in shots
            if overview.has("k_shot_swap")
        }
        weights = {k: overview.cache_weight(k) for k in shots}
        self._cache = {
            k: CacheSums(weight, overview.seeds)
            for k, weight in weights.items()
            if weight is not None
        }
        self._recovered = {k: RecoveredSums(overview.seeds) for k in shots}
        self._equal = {
            updates: {pair: Differences((nats_per_token,)) for pair in pairs}
            for updates, pairs in equal_updates(overview).items()
        }

    def add(self, person: Person) -> None:
        """Add a person of Fig. 3."""
        zero = person.select("k_shot", k=0, epoch=0)
        for k, swap in self._swap.items():
            swap.add(
                person,
                zero,
                person.select("k_shot", k=k, epoch=self._epoch[k]),
                person.select("k_shot_swap", k=k, epoch=self._epoch[k]),
            )
        for k, cache in self._cache.items():
            cache.add(
                person,
                zero,
                person.select("k_shot", k=k),
                person.select("k_shot", k=k, epoch=self._epoch[k]),
                person.select("k_shot_swap", k=k),
            )
        for k, recovered in self._recovered.items():
            after = person.select("k_shot", k=k, epoch=self._epoch[k])
            recovered.add(person, zero, after, person.select("text_own", k=0, epoch=0))
        for pairs in self._equal.values():
            for (k, epoch), gain in pairs.items():
                gain.add(person, zero, person.select("k_shot", k=k, epoch=epoch))

    def swap(self, bootstrap: Bootstrap) -> dict[int, ShotSwap] | None:
        """Return what a stranger's K dialogues give; null where they were not tried."""
        zero, own, stranger = range(3)
        return {
            k: ShotSwap(
                swap_gain=shared.fall("swap_gain", zero, stranger, bootstrap),
                swap_gap=shared.fall("swap_gap", stranger, own, bootstrap),
            )
            for k, shared in self._swap.items()
            if shared.names
        } or None

    def cache(self, bootstrap: Bootstrap) -> dict[int, CacheControl] | None:
        """Return what a cache of K dialogues gives; null where none was counted."""
        found = {k: cache.estimates(bootstrap) for k, cache in self._cache.items()}
        return {k: control for k, control in found.items() if control is not None} or None

    def recovered(self, bootstrap: Bootstrap) -> dict[int, Recovered] | None:
        """Return how much of the text's worth K dialogues recover; null where it was not tried."""
        found = {k: recovered.estimates(bootstrap) for k, recovered in self._recovered.items()}
        return {k: share for k, share in found.items() if share is not None} or None

    def equal_updates(self, bootstrap: Bootstrap) -> dict[int, dict[int, Estimate]] | None:
        """Return by the number of dialogues read the gain of each K; null where no two K agree."""
        return {
            updates: {
                k: gain.mean(nats_per_token, bootstrap) for (k, _), gain in sorted(pairs.items())
            }
            for updates, pairs in self._equal.items()
        } or None


def equal_updates(overview: Overview) -> dict[int, list[tuple[int, int]]]:
    """Return by K × epoch the pairs (K, epoch) of Fig. 3, where two K or more have the product."""
    by_product: dict[int, list[tuple[int, int]]] = {}
    for k in overview.shots():
        for epoch in overview.epochs("k_shot", k=k):
            if k * epoch:
                by_product.setdefault(k * epoch, []).append((k, epoch))
    return {n: pairs for n, pairs in sorted(by_product.items()) if len(pairs) > 1}
