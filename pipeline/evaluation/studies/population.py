"""Populations of personas with a known truth, for the simulation study. No torch.

An observed population is the personas of two variants' predictions: their sums by each metric.
Personas that are drawn from it with replacement have the observed spread, skew, correlation between
variants and replies per persona, and nothing is assumed. The population's truth is the metric over
all its personas. Two skewed populations show the limit of the methods.

Dimensions: m, personas of the population; c, a metric's sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import f1, hits_at_1, mean_rank, ppl
from pipeline.evaluation.records.metric import Array, Metric, nats_per_token, ratio
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics.bootstrap import by_persona
from pipeline.evaluation.statistics.percentiles import Combine
from pipeline.evaluation.statistics.persona_values import common
from pipeline.evaluation.studies.schemas import PersonaSums


STUDIED = (nats_per_token, ppl, hits_at_1, mean_rank, f1)
SKEWED_SIZE = 20_000  # personas of a skewed population, at equally spaced quantiles


@dataclass(frozen=True)
class Population:
    """Personas of two variants `a` and `b`, (m, c) each."""

    name: str
    a: Array
    b: Array
    combine: Combine

    @property
    def truth(self) -> float:
        """The metric of `a` over the whole population."""
        return float(self.combine(self.a.sum(axis=0)))

    @property
    def differences(self) -> Array:
        """Each persona's metric by `a` minus that by `b`, (m,)."""
        return self.combine(self.a) - self.combine(self.b)


def observe(
    variants: tuple[str, str], a: Sequence[Prediction], b: Sequence[Prediction]
) -> PersonaSums:
    """Return the sums of two variants' records over their common replies.

    Raises:
        DataError: as the metrics, or the variants share no reply.
    """
    a, b = common(a, b)
    if not a:
        raise DataError(f"{variants[0]} and {variants[1]} share no held-out reply")
    people = [list(by_persona(records).values()) for records in (a, b)]
    sums = {
        metric.name: tuple([metric.sums(own).tolist() for own in variant] for variant in people)
        for metric in STUDIED
        if metric.is_defined(a) and metric.is_defined(b)
    }
    replies = len({(record.task_id, record.dialogue_id, record.turn) for record in a})
    return PersonaSums(variants=variants, personas=len(people[0]), replies=replies, sums=dict(sums))


def observed(people: PersonaSums) -> list[Population]:
    """Return a population for each metric of the observed personas.

    Raises:
        DataError: a metric is not studied.
    """
    known: dict[str, Metric] = {metric.name: metric for metric in STUDIED}
    unknown = [name for name in people.sums if name not in known]
    if unknown:
        raise DataError(f"{unknown[0]}: one of the metrics {', '.join(known)} was expected")
    return [
        Population(name, np.array(a), np.array(b), known[name].combine)
        for name, (a, b) in people.sums.items()
    ]


def skewed() -> list[Population]:
    """Return the populations of an exponential (skewness 2) and a log-normal (6) variable.

    `b` is `a` in another order, so that paired differences are symmetric.
    """
    quantiles = (np.arange(SKEWED_SIZE) + 0.5) / SKEWED_SIZE
    values = {
        "exponential (skewness 2)": -np.log1p(-quantiles),
        "log-normal (skewness 6)": np.exp(ndtri(quantiles)),
    }
    other = np.random.default_rng(0).permutation(SKEWED_SIZE)
    ones = np.ones(SKEWED_SIZE)
    return [
        Population(name, np.stack([v, ones], 1), np.stack([v[other], ones], 1), ratio)
        for name, v in values.items()
    ]
