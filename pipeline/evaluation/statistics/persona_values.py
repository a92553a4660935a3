"""A metric per persona, and differences between settings on common replies. No torch."""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.records.metric import Metric
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics.bootstrap import Bootstrap, Estimate, by_persona


Values = Mapping[str, float]  # of each persona


def per_persona(metric: Metric, records: Sequence[Prediction]) -> dict[str, float]:
    """Return the metric over each persona's records, of all seeds.

    Raises:
        DataError: as the metric.
    """
    return {persona: metric(those) for persona, those in by_persona(records).items()}


def minus(values: Values, others: Values) -> dict[str, float]:
    """Return the per-persona differences."""
    return {persona: values[persona] - others[persona] for persona in values}


def common(*settings: Sequence[Prediction]) -> list[list[Prediction]]:
    """Keep the replies that every setting scores, whatever the training seeds."""
    shared = set.intersection(*({_reply(record) for record in those} for those in settings))
    return [[record for record in those if _reply(record) in shared] for those in settings]


def mean_difference(
    metric: Metric,
    minuend: Sequence[Prediction],
    subtrahend: Sequence[Prediction],
    bootstrap: Bootstrap,
) -> Estimate:
    """Return the mean over personas of one setting's metric minus another's, on common replies.

    Raises:
        DataError: as the metric.
    """
    values, others = (per_persona(metric, those) for those in common(minuend, subtrahend))
    return bootstrap.mean(minus(values, others), f"difference in {metric.name}")


def other_text(a: Sequence[Prediction], b: Sequence[Prediction]) -> str | None:
    """Name a reply by whose ids the two mean different texts, as predictions of two corpora do."""
    texts = {_reply(record)[:-1]: record.reference for record in a}
    for record in b:
        task, dialogue, turn, text = _reply(record)
        if texts.get((task, dialogue, turn), text) != text:
            return f"{dialogue}, turn {turn}"
    return None


def _reply(record: Prediction) -> tuple[str, str, int, str]:
    """Tell replies apart; by their text, too, for every corpus has the same ids."""
    return record.task_id, record.dialogue_id, record.turn, record.reference
