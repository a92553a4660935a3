"""All metrics of one setting, each with its interval: pooled over replies, and over personas.

Micro: every reply (token, word, n-gram) has the same weight. Macro: every persona has. No torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import exp

from pipeline.evaluation.metrics.all import ALL
from pipeline.evaluation.metrics.diversity import DIVERSITY
from pipeline.evaluation.records.metric import Metric, exp_ratio, nats_per_token, ratio, remembered
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.base import Estimate, Estimates
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.persona_values import mean_difference, per_persona


Records = Sequence[Prediction]


@dataclass(frozen=True)
class Estimator:
    """Estimates of all metrics on settings of one list of records, which must outlive it."""

    bootstrap: Bootstrap
    metrics: tuple[Metric, ...] = field(default_factory=lambda: tuple(map(remembered, ALL)))

    def micro(self, records: Records) -> Estimates:
        """Return every metric over all replies together; null where records lack what it needs."""
        estimates = {metric.name: self.metric(metric, records) for metric in self.metrics}
        for diversity in DIVERSITY:
            value = diversity(records)
            estimates[diversity.name] = (
                None if value is None else Estimate(value=value, low=None, high=None)
            )
        return estimates

    def macro(self, records: Records) -> dict[str, Estimate]:
        """Return the mean over personas of every metric but distinct-n.

        Of perplexities it is the geometric mean: exp of the mean over personas of nats per unit.
        """
        return {m.name: self._macro(m, records) for m in self._defined(records)}

    def change(self, after: Records, before: Records) -> dict[str, Estimate]:
        """Return every metric after minus before: per persona, on the same replies, then the mean.

        Of perplexities it is the difference of logarithms, that is, of nats per unit.
        """
        return {
            metric.name: mean_difference(in_nats(metric), after, before, self.bootstrap)
            for metric in self._defined(after)
            if metric.is_defined(before)
        }

    def gain(self, before: Records, after: Records) -> Estimate:
        """Return NLL before minus after in nats per token: per persona, then the mean."""
        return mean_difference(nats_per_token, before, after, self.bootstrap)

    def metric(self, metric: Metric, records: Records) -> Estimate | None:
        """Return one metric over all replies together, null where records lack what it needs."""
        return self.bootstrap.metric(metric, records) if metric.is_defined(records) else None

    def _macro(self, metric: Metric, records: Records) -> Estimate:
        mean = self.bootstrap.mean(per_persona(in_nats(metric), records), f"{metric.name}, macro")
        return _exp(mean) if metric.combine is exp_ratio else mean

    def _defined(self, records: Records) -> Iterator[Metric]:
        return (metric for metric in self.metrics if metric.is_defined(records))


def in_nats(metric: Metric) -> Metric:
    """Return a perplexity's logarithm, any other metric as it is."""
    return replace(metric, combine=ratio) if metric.combine is exp_ratio else metric


def _exp(estimate: Estimate) -> Estimate:
    """Return exp of a value and of its bounds, which stay bounds since exp is monotone."""
    low, high = (None if end is None else exp(end) for end in (estimate.low, estimate.high))
    return Estimate(value=exp(estimate.value), low=low, high=high)
