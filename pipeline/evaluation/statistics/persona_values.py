"""A metric per persona, and differences between settings on common replies. No torch."""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.records.metric import Metric
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.statistics.bootstrap import Bootstrap, by_persona


Values = Mapping[str, float]  # of each persona


def per_persona(metric: Metric, records: Sequence[Prediction]) -> dict[str, float]:
    """Return the metric over each persona's records, of all seeds.

    Raises:
        DataError: as the metric.
    """
    return {persona: metric(own) for persona, own in by_persona(records).items()}


def minus(values: Values, others: Values) -> dict[str, float]:
    """Return the per-persona differences; `others` holds every persona of `values`."""
    return {persona: values[persona] - others[persona] for persona in values}


def common(*settings: Sequence[Prediction]) -> list[list[Prediction]]:
    """Keep the replies that every setting scores, whatever the training seeds."""
    shared = set.intersection(*({_reply(record) for record in setting} for setting in settings))
    return [[record for record in setting if _reply(record) in shared] for setting in settings]


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
    values, others = (per_persona(metric, setting) for setting in common(minuend, subtrahend))
    return bootstrap.mean(minus(values, others), f"difference in {metric.name}")


def other_text(a: Sequence[Prediction], b: Sequence[Prediction]) -> str | None:
    """Return the place of a reply that has different texts in `a` and `b`; None without any.

    Predictions of two corpora differ in that way.
    """
    texts = {_reply(record)[:-1]: record.reference for record in a}
    for record in b:
        task, dialogue, turn, text = _reply(record)
        if texts.get((task, dialogue, turn), text) != text:
            return f"{dialogue}, turn {turn}"
    return None


def _reply(record: Prediction) -> tuple[str, str, int, str]:
    """Return what identifies a reply: also its text, since all corpora have the same ids."""
    return record.task_id, record.dialogue_id, record.turn, record.reference
