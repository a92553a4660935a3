"""All metrics of one setting, each with its interval: pooled over replies, and over personas.

Micro: every reply (token, word, n-gram) has the same weight. Macro: every persona has. No torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp

from pipeline.evaluation.metrics.all import ALL
from pipeline.evaluation.metrics.diversity import DIVERSITY
from pipeline.evaluation.records.metric import Metric, exp_ratio, ratio
from pipeline.evaluation.schemas.base import Estimate, Estimates
from pipeline.evaluation.scoring.differences import Differences
from pipeline.evaluation.scoring.person import values_of
from pipeline.evaluation.scoring.setting import SettingSums
from pipeline.evaluation.statistics.bootstrap import Bootstrap


@dataclass(frozen=True)
class Estimator:
    """Estimates of all metrics, from sums over settings."""

    bootstrap: Bootstrap

    def micro(self, setting: SettingSums) -> Estimates:
        """Return every metric over all replies together; null where records lack what it needs."""
        estimates = {metric.name: self._micro(metric, setting) for metric in ALL}
        for diversity in DIVERSITY:
            value = setting.diversity(diversity)
            estimates[diversity.name] = (
                None if value is None else Estimate(value=value, low=None, high=None)
            )
        return estimates

    def macro(self, setting: SettingSums) -> dict[str, Estimate]:
        """Return the mean over personas of every metric but distinct-n.

        Of perplexities it is the geometric mean: exp of the mean over personas of nats per unit.
        """
        return {metric.name: self._macro(metric, setting) for metric in _defined(setting)}

    def change(
        self, differences: Differences, after: SettingSums, before: SettingSums
    ) -> dict[str, Estimate]:
        """Return every metric after minus before: per persona, on the same replies, then the mean.

        Of perplexities it is the difference of logarithms, that is, of nats per unit.
        """
        return {
            metric.name: differences.mean(metric, self.bootstrap)
            for metric in _defined(after)
            if before.is_defined(metric)
        }

    def _micro(self, metric: Metric, setting: SettingSums) -> Estimate | None:
        defined = setting.is_defined(metric)
        return self.bootstrap.pooled(setting.sums(metric)) if defined else None

    def _macro(self, metric: Metric, setting: SettingSums) -> Estimate:
        values = values_of(in_nats(metric), setting.sums(metric).by_persona)
        mean = self.bootstrap.mean_of(values, f"{metric.name}, macro")
        return _exp(mean) if metric.combine is exp_ratio else mean


def in_nats(metric: Metric) -> Metric:
    """Return a perplexity's logarithm, any other metric as it is."""
    return replace(metric, combine=ratio) if metric.combine is exp_ratio else metric


IN_NATS = tuple(map(in_nats, ALL))
"""All metrics as they are subtracted."""


def _defined(setting: SettingSums) -> Iterator[Metric]:
    return (metric for metric in ALL if setting.is_defined(metric))


def _exp(estimate: Estimate) -> Estimate:
    """Return exp of a value and of its bounds, which stay bounds since exp is monotone."""
    low, high = (None if end is None else exp(end) for end in (estimate.low, estimate.high))
    return Estimate(value=exp(estimate.value), low=low, high=high)
