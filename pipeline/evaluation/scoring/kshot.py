"""Fig. 3 as data: every metric against K, and how fast the gain comes. No torch.

K = 0 is epoch 0, K > 0 the headline epoch; the query dialogues are the same at every K.
"""

import csv
import io

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import TABLE_1
from pipeline.evaluation.records.headline import epochs_of, select
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.details import KShot, Prompted, ShotPoint
from pipeline.evaluation.scoring.estimates import Estimator, Records


KSHOT_COLUMNS = (
    "k",
    *(f"{metric.name}{bound}" for metric in TABLE_1 for bound in ("", "_low", "_high")),
    "personas",
)

Points = dict[int, list[Prediction]]  # records at each K


def points(records: Records, headline: int) -> Points:
    """Return the k-shot records of each K at its epoch.

    Raises:
        DataError: a K has no record at its epoch.
    """
    shots = select(records, "test", "k_shot")
    by_k = {}
    for k in sorted({record.k for record in shots}):
        epoch = headline if k else 0
        by_k[k] = select(shots, "test", "k_shot", k=k, epoch=epoch)
        if not by_k[k]:
            raise DataError(f"no k_shot records with k {k} at epoch {epoch}; run finetune again")
    return by_k


def kshot_csv(by_k: Points, estimator: Estimator) -> str:
    """Return Table 1's metrics against K.

    A cell is empty where predictions hold no candidates or no responses at that setting. The cells
    of an interval are also empty where there is a single persona.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, KSHOT_COLUMNS, lineterminator="\n")
    table.writeheader()
    for k, records in by_k.items():
        table.writerow(_csv_row(k, records, estimator))
    return text.getvalue()


def _csv_row(k: int, records: Records, estimator: Estimator) -> dict[str, object]:
    row: dict[str, object] = {"k": k, "personas": _personas(records)}
    for metric in TABLE_1:
        estimate = estimator.metric(metric, records)
        if estimate is not None:
            row |= {
                metric.name: estimate.value,
                f"{metric.name}_low": estimate.low,
                f"{metric.name}_high": estimate.high,
            }
    return row


def k_shot(records: Records, by_k: Points, adapted: Records, estimator: Estimator) -> KShot:
    """Return the number of personas in Fig. 3, and all metrics and gains at each K.

    A persona of Table 1 (`adapted`) is left out if it has too few dialogues for the largest K and
    a query.
    """
    shots = select(records, "test", "k_shot")
    left_out = {record.task_id for record in adapted} - {record.task_id for record in shots}
    return KShot(
        personas=_personas(shots),
        personas_left_out=len(left_out),
        points={
            k: _point(select(shots, "test", "k_shot", k=k), point, by_k.get(0), estimator)
            for k, point in by_k.items()
        },
        in_context=_in_context(select(records, "test", "in_context"), by_k, estimator),
    )


def _point(at_k: Records, point: Records, zero: Records | None, estimator: Estimator) -> ShotPoint:
    """Return K's metrics; for K > 0 also the change from K = 0, and the gain at each epoch.

    Args:
        at_k: K's records at every epoch.
        point: K's records at its epoch.
        zero: the records at K = 0, if there are any.
        estimator: of metrics and gains.
    """
    epoch, metrics = point[0].epoch, estimator.micro(point)
    if not point[0].k or zero is None:
        return ShotPoint(epoch=epoch, metrics=metrics)
    gains = {
        epoch: estimator.gain(zero, [record for record in at_k if record.epoch == epoch])
        for epoch in epochs_of(at_k)
        if epoch > 0
    }
    change = estimator.change(point, zero)
    return ShotPoint(epoch=epoch, metrics=metrics, change=change, gain_by_epoch=gains)


def _in_context(
    prompted: Records, by_k: Points, estimator: Estimator
) -> dict[int, Prompted] | None:
    """Return for each K > 0 what the support dialogues in the prompt give; null if not run."""
    if not prompted or 0 not in by_k:
        return None
    return {
        k: _prompted(_longest_prompts(prompted, by_k[0], k), by_k[0], point, estimator)
        for k, point in by_k.items()
        if k > 0
    }


def _longest_prompts(prompted: Records, zero: Records, k: int) -> list[Prediction]:
    """Return each reply's record with the most dialogues in the prompt, at most K of them.

    Where no dialogue fits into the prompt, the record at K = 0 is taken.
    """
    longest = {_reply(record): record for record in zero}
    for record in sorted(prompted, key=lambda record: record.k):
        if record.k <= k and _reply(record) in longest:
            longest[_reply(record)] = record
    return list(longest.values())


def _reply(record: Prediction) -> tuple[int, str, str, int]:
    return record.seed, record.task_id, record.dialogue_id, record.turn


def _prompted(prompted: Records, zero: Records, tuned: Records, estimator: Estimator) -> Prompted:
    """Compare the prompt with nothing and with fine-tuning; differences of nats per token."""
    return Prompted(
        mean_k=sum(record.k for record in prompted) / len(prompted),
        metrics=estimator.micro(prompted),
        change=estimator.change(prompted, zero),
        gain=estimator.gain(zero, prompted),
        behind_fine_tuning=estimator.gain(prompted, tuned),
    )


def _personas(records: Records) -> int:
    return len({record.task_id for record in records})
