"""The NLL with a cache of the support's tokens mixed in, and the weight that valid chooses.

No torch. `predict/cache.py` computes `cache_nll`, at each weight of `finetune.cache`.
"""

from collections.abc import Iterable
from math import isclose

from pipeline.errors import DataError, one_line
from pipeline.evaluation.records.exact import ExactSum
from pipeline.evaluation.records.metric import Metric, ratio
from pipeline.evaluation.records.prediction import Prediction


MODEL_ALONE = "0.0"  # the weight
TOLERANCE = 1e-6


def cached(weight: str) -> Metric:
    """Return the NLL per token at a weight, closing token counted, as a metric."""
    return Metric(
        f"nats_per_token_with_cache_{weight}",
        lambda record: ((record.cache_nll or {})[weight], record.num_tokens + 1),
        ratio,
        "lower",
        "cache_nll",
    )


def with_cache(records: Iterable[Prediction]) -> list[Prediction]:
    """Return the records that have a cache: those of epoch 0, or of a K's own epoch."""
    return [record for record in records if record.cache_nll is not None]


def refuse_other_nats(
    record: Prediction, weights: Iterable[float], place: str, remedy: str
) -> None:
    """Refuse a record whose NLL with a cache of weight 0, the model alone, is not the reply's.

    A K with an epoch of its own mixes the cache with the model before it: nothing is compared.

    Args:
        record: the record.
        weights: of the cache, as `finetune.cache` has them.
        place: file and line, for errors.
        remedy: what to do, for errors.

    Raises:
        DataError: the numbers differ by more than 1e-6 of them; or the weights are others.
    """
    expected = {repr(weight) for weight in weights}
    if record.cache_nll is not None and record.cache_nll.keys() != expected:
        raise DataError(
            f"{place}: cache_nll of weights {one_line(sorted(record.cache_nll))}, those of "
            f"finetune.cache were expected, {one_line(sorted(expected))}; {remedy}"
        )
    alone = (record.cache_nll or {}).get(MODEL_ALONE)
    if alone is None or record.epoch:
        return
    nats = record.nll + record.nll_end
    if not isclose(alone, nats, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
        raise DataError(
            f"{place}: cache_nll of weight {MODEL_ALONE} is {alone!r}, but nll and nll_end sum to "
            f"{nats!r}; {remedy}"
        )


class CacheChoice:
    """Takes records one by one, and chooses the weight for each K on valid alone."""

    def __init__(self) -> None:
        self._nats: dict[int | None, dict[str, ExactSum]] = {}  # by K, by weight

    def add(self, record: Prediction) -> None:
        """Take a record; those of other settings than valid with a cache are not looked at."""
        if record.split != "valid" or record.cache_nll is None:
            return
        shots = None if record.protocol == "leave_one_out" else record.k
        sums = self._nats.setdefault(shots, {weight: ExactSum() for weight in record.cache_nll})
        for weight, nats in record.cache_nll.items():
            sums[weight].add((nats,))

    def weight(self, k: int | None) -> str | None:
        """Return the weight with the lowest NLL on valid, of equal ones the smaller.

        Args:
            k: support dialogues of K-shot; null: all others of leave-one-out. None is returned if
                valid has no cache there.
        """
        nats = {weight: sums.value() for weight, sums in self._nats.get(k, {}).items()}
        return min(nats, key=lambda weight: (nats[weight], float(weight)), default=None)


def cache_choice(records: Iterable[Prediction]) -> CacheChoice:
    """Return the choice that some records' valid split makes."""
    choice = CacheChoice()
    for record in records:
        choice.add(record)
    return choice
