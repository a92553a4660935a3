"""What the scoring stage writes of one variant: Table 1's numbers, Fig. 3's points, the rest.

Anyone can recompute all of it from `predictions/VARIANT.jsonl` alone.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from pipeline.errors import DataError
from pipeline.evaluation import metrics
from pipeline.evaluation.adaptation import Content, adaptation, per_persona
from pipeline.evaluation.aggregate import Metric, nats_per_token
from pipeline.evaluation.bootstrap import Bootstrap, Estimate
from pipeline.evaluation.headline import headline_records, select
from pipeline.evaluation.metrics import TABLE_1
from pipeline.evaluation.prediction import Prediction


KSHOT_COLUMNS = (
    "k",
    *(f"{metric.name}{bound}" for metric in TABLE_1 for bound in ("", "_low", "_high")),
    "personas",
)

DIAGNOSTICS = (
    metrics.ppl_without_end,
    metrics.ppl_per_word,
    metrics.hits_at_1_by_sum,
    metrics.mean_rank,
    metrics.greedy_f1,
    metrics.response_words,
    metrics.empty_responses,
)


@dataclass(frozen=True)
class Report:
    """The contents of the scoring stage's three files."""

    metrics: dict[str, float]  # exactly f1, hits_at_1, ppl
    kshot: str  # CSV
    details: Content


def report(records: Sequence[Prediction], bootstrap: Bootstrap) -> Report:
    """Score one variant: test, leave-one-out, headline epoch, all seeds (Table 1).

    Raises:
        DataError: as `headline_records`, or the records lack what a metric needs.
    """
    adapted = headline_records(records)
    headline = adapted[0].epoch
    before = select(records, "test", "leave_one_out", epoch=0)
    if not before:
        raise DataError("no test leave-one-out records at epoch 0; run stage finetune again")
    details: Content = {
        "headline": {"split": "test", "protocol": "leave_one_out", "epoch": headline},
        "counts": _counts(adapted),
        "metrics": _estimates(TABLE_1, adapted, bootstrap),
        "before_adaptation": _estimates(TABLE_1, before, bootstrap),
        "diagnostics": _estimates(DIAGNOSTICS, adapted, bootstrap)
        | {"ppl_macro": _ppl_macro(adapted, bootstrap)},
        "k_shot": _kshot_counts(records, adapted),
    } | adaptation(records, headline, bootstrap)
    return Report(
        metrics={metric.name: metric(adapted) for metric in TABLE_1},
        kshot=kshot_csv(records, headline, bootstrap),
        details=details,
    )


def kshot_csv(records: Sequence[Prediction], headline: int, bootstrap: Bootstrap) -> str:
    """Return Fig. 3's points: K = 0 at epoch 0, K > 0 at the headline epoch.

    A cell is empty where predictions hold no candidates or no responses at that setting, an
    interval also where there is a single persona.

    Raises:
        DataError: some K has no records at its epoch.
    """
    shots = select(records, "test", "k_shot")
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, KSHOT_COLUMNS, lineterminator="\n")
    table.writeheader()
    for k in sorted({record.k for record in shots}):
        epoch = headline if k else 0
        point = select(shots, "test", "k_shot", k=k, epoch=epoch)
        if not point:
            raise DataError(f"no k_shot records with k {k} at epoch {epoch}; run finetune again")
        table.writerow(_kshot_row(k, point, bootstrap))
    return text.getvalue()


def _kshot_row(k: int, point: Sequence[Prediction], bootstrap: Bootstrap) -> dict[str, object]:
    row: dict[str, object] = {"k": k, "personas": _personas(point)}
    for metric in TABLE_1:
        estimate = _estimate(metric, point, bootstrap)
        if estimate is not None:
            row |= {
                metric.name: estimate.value,
                f"{metric.name}_low": estimate.low,
                f"{metric.name}_high": estimate.high,
            }
    return row


def _estimate(
    metric: Metric, records: Sequence[Prediction], bootstrap: Bootstrap
) -> Estimate | None:
    return bootstrap.metric(metric, records) if metric.is_defined(records) else None


def _estimates(
    chosen: Sequence[Metric], records: Sequence[Prediction], bootstrap: Bootstrap
) -> Content:
    """Return each metric with its interval; null where the records lack what it needs."""
    found = {metric.name: _estimate(metric, records, bootstrap) for metric in chosen}
    return {name: value and value.as_dict() for name, value in found.items()}


def _ppl_macro(records: Sequence[Prediction], bootstrap: Bootstrap) -> Content:
    """Return exp of the mean over personas of nats per token: every persona weighs the same."""
    nats = bootstrap.mean(per_persona(nats_per_token, records), "ppl_macro").as_dict()
    # Percentiles go through exp, since it is monotone.
    return {key: value if value is None else exp(value) for key, value in nats.items()}


def _personas(records: Sequence[Prediction]) -> int:
    return len({record.task_id for record in records})


def _counts(records: Sequence[Prediction]) -> Content:
    over = {(r.task_id, r.dialogue_id) for r in records if r.windows > 1}
    return {
        "personas": _personas(records),
        "records": len(records),
        "dialogues_over_context": len(over),
        "seeds": sorted({record.seed for record in records}),
    }


def _kshot_counts(records: Sequence[Prediction], adapted: Sequence[Prediction]) -> Content:
    """Count who is in Fig. 3; left out: has too few dialogues for the largest K and a query."""
    shots = select(records, "test", "k_shot")
    left_out = {record.task_id for record in adapted} - {record.task_id for record in shots}
    return {"personas": _personas(shots), "personas_left_out": len(left_out)}
