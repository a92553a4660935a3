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


def headline_epoch(valid_records: Sequence[Prediction]) -> int:
    """Return the epoch with the lowest valid leave-one-out NLL per token, closing token counted.

    The NLL is pooled over personas and training seeds. Of equal epochs the smaller is returned.
    Records of other settings are not looked at. If fine-tuning diverged at one epoch no epoch is
    returned, since `finetune` refuses such a run.

    Raises:
        DataError: there is no valid leave-one-out record; the epochs differ in the replies that
            they score; or the NLL is not finite at some epoch.
    """
    valid = select(valid_records, "valid", "leave_one_out")
    if not valid:
        raise DataError(
            "no valid leave-one-out records to choose the epoch on; the valid split needs a "
            "persona with two dialogues"
        )
    by_epoch = {epoch: [r for r in valid if r.epoch == epoch] for epoch in epochs_of(valid)}
    replies = {
        frozenset((r.task_id, r.dialogue_id, r.turn, r.seed) for r in at_epoch)
        for at_epoch in by_epoch.values()
    }
    if len(replies) > 1:
        raise DataError(
            "valid leave-one-out records do not score the same replies at every epoch; run stage "
            "finetune again"
        )
    nats = {epoch: _nats(at_epoch) for epoch, at_epoch in by_epoch.items()}
    for epoch, value in nats.items():
        if not isfinite(value):
            raise DataError(f"the valid NLL is {value} at epoch {epoch}; lower finetune.lr")
    return min(nats, key=lambda epoch: (nats[epoch], epoch))


def headline_records(records: Sequence[Prediction]) -> list[Prediction]:
    """Return Table 1's records: test, leave-one-out, headline epoch, all seeds.

    Raises:
        DataError: there is no such record, or as `headline_epoch`.
    """
    epoch = headline_epoch(records)
    headline = select(records, "test", "leave_one_out", epoch=epoch)
    if not headline:
        raise DataError(
            f"no test leave-one-out records at the headline epoch, {epoch}; the test split needs "
            "a persona with two dialogues"
        )
    return headline


def _nats(records: Sequence[Prediction]) -> float:
    return float(nats_per_token.combine(nats_per_token.sums(records)))
