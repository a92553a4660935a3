"""All metrics of one setting, each with its interval: pooled over replies, and over personas.

Micro: every reply (token, word, n-gram) weighs the same. Macro: every persona does. No torch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import exp

from pipeline.evaluation.adaptation import Content, mean_difference, per_persona
from pipeline.evaluation.aggregate import Metric, exp_ratio, ratio
from pipeline.evaluation.bootstrap import Bootstrap, Estimate
from pipeline.evaluation.diversity import DIVERSITY
from pipeline.evaluation.metrics import ALL
from pipeline.evaluation.prediction import Prediction


def micro(records: Sequence[Prediction], bootstrap: Bootstrap) -> Content:
    """Return every metric over all replies together; null where the records lack what it needs."""
    found = {metric.name: estimate(metric, records, bootstrap) for metric in ALL}
    found |= {metric.name: metric.estimate(records) for metric in DIVERSITY}
    return _as_dicts(found)


def macro(records: Sequence[Prediction], bootstrap: Bootstrap) -> Content:
    """Return the mean over personas of every metric but distinct-n.

    Of perplexities the geometric mean: exp of the mean over personas of nats per unit.
    """
    return _as_dicts(
        {metric.name: _macro(metric, records, bootstrap) for metric in _defined(records)}
    )


def change(
    after: Sequence[Prediction], before: Sequence[Prediction], bootstrap: Bootstrap
) -> Content:
    """Return every metric after minus before: per persona, on the same replies, then the mean.

    Of perplexities the difference of logarithms, that is, of nats per unit.
    """
    return _as_dicts(
        {
            metric.name: mean_difference(in_nats(metric), after, before, bootstrap)
            for metric in _defined(after)
            if metric.is_defined(before)
        }
    )


def estimate(
    metric: Metric, records: Sequence[Prediction], bootstrap: Bootstrap
) -> Estimate | None:
    """Return one metric over all replies together, null where the records lack what it needs."""
    return bootstrap.metric(metric, records) if metric.is_defined(records) else None


def in_nats(metric: Metric) -> Metric:
    """Return a perplexity's logarithm, any other metric as it is."""
    return replace(metric, combine=ratio) if metric.combine is exp_ratio else metric


def _macro(metric: Metric, records: Sequence[Prediction], bootstrap: Bootstrap) -> Estimate:
    found = bootstrap.mean(per_persona(in_nats(metric), records), f"{metric.name}, macro")
    if metric.combine is not exp_ratio:
        return found
    # Bounds go through exp, since it is monotone.
    bounds = (bound if bound is None else exp(bound) for bound in (found.low, found.high))
    return Estimate(exp(found.value), *bounds)


def _defined(records: Sequence[Prediction]) -> Iterable[Metric]:
    return (metric for metric in ALL if metric.is_defined(records))


def _as_dicts(found: dict[str, Estimate | None]) -> Content:
    return {name: value and value.as_dict() for name, value in found.items()}
