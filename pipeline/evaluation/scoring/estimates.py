"""All metrics of one setting, each with its interval: pooled over replies, and over personas.

Micro: every reply (token, word, n-gram) weighs the same. Macro: every persona does. No torch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import exp

from pipeline.artifacts import Content
from pipeline.evaluation.metrics.all import ALL
from pipeline.evaluation.metrics.diversity import DIVERSITY
from pipeline.evaluation.records.metric import Metric, exp_ratio, nats_per_token, ratio, remembered
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics.bootstrap import Bootstrap, Estimate
from pipeline.evaluation.statistics.persona_values import mean_difference, per_persona


Records = Sequence[Prediction]


@dataclass(frozen=True)
class Estimator:
    """Estimates of all metrics on settings of one list of records, which must outlive it."""

    bootstrap: Bootstrap
    metrics: tuple[Metric, ...] = field(default_factory=lambda: tuple(map(remembered, ALL)))

    def micro(self, records: Records) -> Content:
        """Return every metric over all replies together; null where records lack what it needs."""
        found = {metric.name: self.metric(metric, records) for metric in self.metrics}
        for diversity in DIVERSITY:
            value = diversity(records)
            found[diversity.name] = None if value is None else Estimate(value, None, None)
        return _as_dicts(found)

    def macro(self, records: Records) -> Content:
        """Return the mean over personas of every metric but distinct-n.

        Of perplexities the geometric mean: exp of the mean over personas of nats per unit.
        """
        return _as_dicts({m.name: self._macro(m, records) for m in self._defined(records)})

    def change(self, after: Records, before: Records) -> Content:
        """Return every metric after minus before: per persona, on the same replies, then the mean.

        Of perplexities the difference of logarithms, that is, of nats per unit.
        """
        return _as_dicts(
            {
                metric.name: mean_difference(in_nats(metric), after, before, self.bootstrap)
                for metric in self._defined(after)
                if metric.is_defined(before)
            }
        )

    def gain(self, before: Records, after: Records) -> dict[str, float | None]:
        """Return NLL before minus after in nats per token: per persona, then the mean."""
        return mean_difference(nats_per_token, before, after, self.bootstrap).as_dict()

    def metric(self, metric: Metric, records: Records) -> Estimate | None:
        """Return one metric over all replies together, null where records lack what it needs."""
        return self.bootstrap.metric(metric, records) if metric.is_defined(records) else None

    def _macro(self, metric: Metric, records: Records) -> Estimate:
        values = per_persona(in_nats(metric), records)
        found = self.bootstrap.mean(values, f"{metric.name}, macro")
        if metric.combine is not exp_ratio:
            return found
        # Bounds go through exp, since it is monotone.
        bounds = (bound if bound is None else exp(bound) for bound in (found.low, found.high))
        return Estimate(exp(found.value), *bounds)

    def _defined(self, records: Records) -> Iterator[Metric]:
        return (metric for metric in self.metrics if metric.is_defined(records))


def in_nats(metric: Metric) -> Metric:
    """Return a perplexity's logarithm, any other metric as it is."""
    return replace(metric, combine=ratio) if metric.combine is exp_ratio else metric


def _as_dicts(found: dict[str, Estimate | None]) -> Content:
    return {name: value and value.as_dict() for name, value in found.items()}
