"""Which records a number is computed over, and the epoch that valid chooses. No torch.

`finetune` and `score` share `headline_epoch`, so that neither can look at test.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from math import isfinite

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.records.exact import ExactSum
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.prediction import Prediction, Protocol
from pipeline.persona.task.record import Split


def select(
    records: Iterable[Prediction],
    split: Split,
    protocol: Protocol,
    *,
    epoch: int | None = None,
    k: int | None = None,
) -> list[Prediction]:
    """Return the records of one setting, in order; a null epoch or k selects every value."""
    return [
        record
        for record in records
        if record.split == split
        and record.protocol == protocol
        and epoch in (None, record.epoch)
        and k in (None, record.k)
    ]


def epochs_of(records: Iterable[Prediction]) -> list[int]:
    """Return the epochs that occur, increasing."""
    return sorted({record.epoch for record in records})


class HeadlineChoice:
    """Takes records one by one and chooses as `headline_epoch` does; keeps sums for each epoch."""

    def __init__(self) -> None:
        self._sums: dict[int, list[ExactSum]] = {}  # by epoch: nats, tokens
        self._replies: Counter[int] = Counter()  # by epoch: the digests of its replies, added up

    def add(self, record: Prediction) -> None:
        """Take a record; those of other settings than valid, leave-one-out are not looked at."""
        if record.split != "valid" or record.protocol != "leave_one_out":
            return
        sums = self._sums.setdefault(record.epoch, [ExactSum(), ExactSum()])
        for one, value in zip(sums, nats_per_token.counts(record), strict=True):
            one.add((value,))
        reply = repr((record.task_id, record.dialogue_id, record.turn, record.seed))
        digest = blake2b(reply.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self._replies[record.epoch] += int.from_bytes(digest)

    def epoch(self) -> int:
        """Return the headline epoch.

        Raises:
            DataError: as `headline_epoch`.
        """
        if not self._sums:
            raise DataError(
                "no valid leave-one-out records to choose the epoch on; the valid split needs a "
                "persona with two dialogues"
            )
        if len(set(self._replies.values())) > 1:
            raise DataError(
                "valid leave-one-out records do not score the same replies at every epoch; run "
                "stage finetune again"
            )
        nats = {epoch: self._nats(epoch) for epoch in sorted(self._sums)}
        for epoch, value in nats.items():
            if not isfinite(value):
                raise DataError(f"the valid NLL is {value} at epoch {epoch}; lower finetune.lr")
        return min(nats, key=lambda epoch: (nats[epoch], epoch))

    def _nats(self, epoch: int) -> float:
        sums = np.array([one.value() for one in self._sums[epoch]])
        return float(nats_per_token.combine(sums))


def headline_epoch(valid_records: Sequence[Prediction]) -> int:
    """Return the epoch with the lowest valid leave-one-out NLL per token, closing token counted.

    The NLL is pooled over personas and training seeds. Of equal epochs the smaller is returned.
    Records of other settings are not looked at. If fine-tuning diverged at one epoch no epoch is
    returned, since `finetune` refuses such a run.

    Raises:
        DataError: there is no valid leave-one-out record; the epochs differ in the replies that
            they score; or the NLL is not finite at some epoch.
    """
    choice = HeadlineChoice()
    for record in select(valid_records, "valid", "leave_one_out"):
        choice.add(record)
    return choice.epoch()


def headline_records(records: Sequence[Prediction]) -> list[Prediction]:
    """Return Table 1's records: test, leave-one-out, headline epoch, all seeds.

    Raises:
        DataError: there is no such record, or as `headline_epoch`.
    """
    epoch = headline_epoch(records)
    headline = select(records, "test", "leave_one_out", epoch=epoch)
    if not headline:
        raise no_headline_records(epoch)
    return headline


def no_headline_records(epoch: int) -> DataError:
    """Return the error where Table 1 would have no record."""
    return DataError(
        f"no test leave-one-out records at the headline epoch, {epoch}; the test split needs "
        "a persona with two dialogues"
    )
