"""Which records a number is computed over, and the epoch that valid chooses. No torch.

`finetune` and `score` share `headline_epoch`, so that neither can look at test.
"""

from collections.abc import Iterable, Sequence
from math import isfinite

from pipeline.errors import DataError
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.prediction import Prediction, Protocol
from pipeline.persona.task import Split


def select(
    records: Iterable[Prediction],
    split: Split,
    protocol: Protocol,
    *,
    epoch: int | None = None,
    k: int | None = None,
) -> list[Prediction]:
    """Return the records of one setting, in order; null leaves epoch or k open."""
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


def headline_epoch(valid_records: Sequence[Prediction]) -> int:
    """Return the epoch with the lowest valid leave-one-out NLL per token, closing token counted.

    Pooled over personas and training seeds; of equal epochs the smaller. Records of other
    settings are left out. Fine-tuning that diverged at any epoch diverged: `finetune` refuses it,
    and no epoch wins here.

    Raises:
        DataError: no record is of the valid split's leave-one-out, the epochs differ in the
            replies they score, or the NLL is not finite at one of them.
    """
    valid = select(valid_records, "valid", "leave_one_out")
    if not valid:
        raise DataError(
            "no valid leave-one-out records to choose the epoch on; the valid split needs a "
            "persona with two dialogues"
        )
    scored = {epoch: [r for r in valid if r.epoch == epoch] for epoch in epochs_of(valid)}
    replies = {
        frozenset((r.task_id, r.dialogue_id, r.turn, r.seed) for r in those)
        for those in scored.values()
    }
    if len(replies) > 1:
        raise DataError(
            "valid leave-one-out records score other replies at some epochs than others"
        )
    nats = {epoch: _nats(those) for epoch, those in scored.items()}
    for epoch, value in nats.items():
        if not isfinite(value):
            raise DataError(f"the valid NLL is {value} at epoch {epoch}; lower finetune.lr")
    return min(nats, key=lambda epoch: (nats[epoch], epoch))


def headline_records(records: Sequence[Prediction]) -> list[Prediction]:
    """Return Table 1's records: test, leave-one-out, headline epoch, all seeds.

    Raises:
        DataError: there are none, or as `headline_epoch`.
    """
    epoch = headline_epoch(records)
    found = select(records, "test", "leave_one_out", epoch=epoch)
    if not found:
        raise DataError(
            f"no test leave-one-out records at the headline epoch, {epoch}; the test split needs "
            "a persona with two dialogues"
        )
    return found


def _nats(records: Sequence[Prediction]) -> float:
    return float(nats_per_token.combine(nats_per_token.sums(records)))
