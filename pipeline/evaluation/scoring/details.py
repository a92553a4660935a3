"""What the scoring stage writes of one variant: Table 1's numbers, Fig. 3's points, the rest.

Anyone can recompute all of it from `predictions/VARIANT.jsonl` alone; docs/metrics.md says how.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.artifacts import Content
from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import TABLE_1
from pipeline.evaluation.metrics.generation import f1_by_sample
from pipeline.evaluation.records.headline import headline_records, select
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.scoring.adaptation import adaptation
from pipeline.evaluation.scoring.estimates import Estimator
from pipeline.evaluation.scoring.kshot import k_shot, kshot_csv, points
from pipeline.evaluation.statistics.bootstrap import Bootstrap


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
    table_1 = {metric.name: metric(adapted) for metric in TABLE_1}
    shots = points(records, headline)
    estimator = Estimator(bootstrap)
    details: Content = {
        "headline": {"split": "test", "protocol": "leave_one_out", "epoch": headline},
        "counts": _counts(adapted),
        "metrics": estimator.micro(adapted),
        "macro": estimator.macro(adapted),
        "before_adaptation": estimator.micro(before),
        "change": estimator.change(adapted, before),
        "f1_by_sample": f1_by_sample(adapted),
        "k_shot": k_shot(records, shots, adapted, estimator),
    }
    return Report(
        metrics=table_1,
        kshot=kshot_csv(shots, estimator),
        details=details | adaptation(records, headline, bootstrap),
    )


def _counts(records: Sequence[Prediction]) -> Content:
    over = {(r.task_id, r.dialogue_id) for r in records if r.windows > 1}
    return {
        "personas": len({record.task_id for record in records}),
        "records": len(records),
        "dialogues_over_context": len(over),
        "seeds": sorted({record.seed for record in records}),
    }
