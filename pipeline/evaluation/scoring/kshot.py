"""Fig. 3 as data: every metric against K, and how fast the gain comes. No torch.

K = 0 is epoch 0, K > 0 the headline epoch; the query dialogues are the same at every K.
"""

import csv
import io
from collections.abc import Sequence

from pipeline.artifacts import Content
from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import TABLE_1
from pipeline.evaluation.records.headline import epochs_of, select
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.scoring.estimates import Estimator


KSHOT_COLUMNS = (
    "k",
    *(f"{metric.name}{bound}" for metric in TABLE_1 for bound in ("", "_low", "_high")),
    "personas",
)

Points = dict[int, list[Prediction]]  # records at each K


def points(records: Sequence[Prediction], headline: int) -> Points:
    """Return the k-shot records of each K at its epoch.

    Raises:
        DataError: some K has none there.
    """
    shots = select(records, "test", "k_shot")
    found = {}
    for k in sorted({record.k for record in shots}):
        epoch = headline if k else 0
        found[k] = select(shots, "test", "k_shot", k=k, epoch=epoch)
        if not found[k]:
            raise DataError(f"no k_shot records with k {k} at epoch {epoch}; run finetune again")
    return found


def kshot_csv(found: Points, estimator: Estimator) -> str:
    """Return Table 1's metrics against K.

    A cell is empty where predictions hold no candidates or no responses at that setting, an
    interval also where there is a single persona.
    """
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, KSHOT_COLUMNS, lineterminator="\n")
    table.writeheader()
    for k, point in found.items():
        table.writerow(_row(k, point, estimator))
    return text.getvalue()


def _row(k: int, point: Sequence[Prediction], estimator: Estimator) -> dict[str, object]:
    row: dict[str, object] = {"k": k, "personas": _personas(point)}
    for metric in TABLE_1:
        value = estimator.metric(metric, point)
        if value is not None:
            row |= {
                metric.name: value.value,
                f"{metric.name}_low": value.low,
                f"{metric.name}_high": value.high,
            }
    return row


def k_shot(
    records: Sequence[Prediction],
    found: Points,
    adapted: Sequence[Prediction],
    estimator: Estimator,
) -> Content:
    """Return who is in Fig. 3, and all metrics and gains at each K.

    Left out are the personas of Table 1 (`adapted`) with too few dialogues for the largest K and
    a query.
    """
    shots = select(records, "test", "k_shot")
    left_out = {record.task_id for record in adapted} - {record.task_id for record in shots}
    return {
        "personas": _personas(shots),
        "personas_left_out": len(left_out),
        "points": {
            str(k): _point(select(shots, "test", "k_shot", k=k), point, found.get(0), estimator)
            for k, point in found.items()
        },
        "in_context": _in_context(select(records, "test", "in_context"), found, estimator),
    }


def _point(
    at_k: Sequence[Prediction],
    point: Sequence[Prediction],
    zero: Sequence[Prediction] | None,
    estimator: Estimator,
) -> Content:
    """Return K's metrics; for K > 0 what changed from K = 0, and the gain in nats at each epoch."""
    content: Content = {"epoch": point[0].epoch, "metrics": estimator.micro(point)}
    if not point[0].k or zero is None:
        return content
    gains = {
        str(epoch): estimator.gain(zero, [r for r in at_k if r.epoch == epoch])
        for epoch in epochs_of(at_k)
        if epoch > 0
    }
    return content | {"change": estimator.change(point, zero), "gain_by_epoch": gains}


def _in_context(
    prompted: Sequence[Prediction], found: Points, estimator: Estimator
) -> Content | None:
    """Return for each K > 0 what the support dialogues in the prompt give; null if not run."""
    if not prompted or 0 not in found:
        return None
    return {
        str(k): _prompted(_filled(prompted, found[0], k), found[0], point, estimator)
        for k, point in found.items()
        if k > 0
    }


def _filled(prompted: Sequence[Prediction], zero: Sequence[Prediction], k: int) -> list[Prediction]:
    """Return each reply's record with the most dialogues in the prompt, K at most, else K = 0's."""
    best = {_key(record): record for record in zero}
    for record in sorted(prompted, key=lambda record: record.k):
        if record.k <= k and _key(record) in best:
            best[_key(record)] = record
    return list(best.values())


def _key(record: Prediction) -> tuple[int, str, str, int]:
    return record.seed, record.task_id, record.dialogue_id, record.turn


def _prompted(
    prompted: Sequence[Prediction],
    zero: Sequence[Prediction],
    tuned: Sequence[Prediction],
    estimator: Estimator,
) -> Content:
    """Compare the prompt with nothing and with fine-tuning; differences of nats per token.

    `mean_k`: dialogues that stood in the prompt, mean over replies.
    """
    return {
        "mean_k": sum(record.k for record in prompted) / len(prompted),
        "metrics": estimator.micro(prompted),
        "change": estimator.change(prompted, zero),
        "gain": estimator.gain(zero, prompted),
        "behind_fine_tuning": estimator.gain(prompted, tuned),
    }


def _personas(records: Sequence[Prediction]) -> int:
    return len({record.task_id for record in records})
