"""What stage `score` writes of one variant: Table 1's numbers, Fig. 3's points, the details.

Anyone can recompute all of it from `predictions/VARIANT.jsonl` alone; docs/metrics.md says how.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import TABLE_1
from pipeline.evaluation.metrics.generation import f1_by_sample
from pipeline.evaluation.records.headline import headline_records, select
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.details import Counts, Details, Headline, Table1Scores
from pipeline.evaluation.scoring.adaptation import NOT_ADAPTED, adaptation_by_epoch
from pipeline.evaluation.scoring.estimates import Estimator
from pipeline.evaluation.scoring.kshot import k_shot, kshot_csv, points
from pipeline.evaluation.statistics.bootstrap import Bootstrap


@dataclass(frozen=True)
class VariantScores:
    """The contents of the stage's three files."""

    metrics: Table1Scores
    kshot: str  # CSV
    details: Details


def score_variant(records: Sequence[Prediction], bootstrap: Bootstrap) -> VariantScores:
    """Score one variant: test, leave-one-out, headline epoch, all seeds (Table 1).

    Raises:
        DataError: as `headline_records`, or the records lack what a metric needs.
    """
    adapted = headline_records(records)
    headline = adapted[0].epoch
    before = select(records, "test", "leave_one_out", epoch=0)
    if not before:
        raise DataError("no test leave-one-out records at epoch 0; run stage finetune again")
    metrics = Table1Scores(**{metric.name: metric(adapted) for metric in TABLE_1})
    shots = points(records, headline)
    estimator = Estimator(bootstrap)
    epochs = adaptation_by_epoch(records, bootstrap)
    details = Details(
        headline=Headline(split="test", protocol="leave_one_out", epoch=headline),
        counts=_counts(adapted),
        metrics=estimator.micro(adapted),
        macro=estimator.macro(adapted),
        before_adaptation=estimator.micro(before),
        change=estimator.change(adapted, before),
        f1_by_sample=f1_by_sample(adapted),
        k_shot=k_shot(records, shots, adapted, estimator),
        epochs=epochs,
        **epochs.get(headline, NOT_ADAPTED).set_fields(),
    )
    return VariantScores(metrics, kshot_csv(shots, estimator), details)


def _counts(records: Sequence[Prediction]) -> Counts:
    windowed = {(r.task_id, r.dialogue_id) for r in records if r.windows > 1}
    return Counts(
        personas=len({record.task_id for record in records}),
        records=len(records),
        dialogues_over_context=len(windowed),
        seeds=sorted({record.seed for record in records}),
    )
