"""Paired tests between variants over the same personas and the same replies. No torch.

Per persona and variant one value: the metric over the persona's replies, of all training seeds
together. A test asks whether the mean of the per-persona differences could come from exchanging
the two variants persona by persona (sign flips), two-sided; Holm's correction is over a family, the
claims by every metric or every other pair by every metric (`families.py`). Intervals are of single
differences, not corrected.

What this says is about the trained models, with other personas. Where both variants have two or
more training seeds in common, `over_seeds` asks about the methods: other seeds, too (`crossed.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.artifacts import Content
from pipeline.errors import DataError
from pipeline.evaluation.comparison.families import Pair, corrected, describe, pairs, sizes
from pipeline.evaluation.metrics.all import f1, hits_at_1, hits_at_1_by_head
from pipeline.evaluation.records.metric import Array, Metric, nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics.bootstrap import LEVEL, Bootstrap, Estimate
from pipeline.evaluation.statistics.paired import EffectSize, detectable, effect_size, sign_flip_p
from pipeline.evaluation.statistics.persona_values import common, minus, other_text, per_persona
from pipeline.evaluation.statistics.seeds import Components, components, sums_by_cell
from pipeline.params import Claim


ALPHA = 0.05  # of a whole family
COMPARED = (nats_per_token, hits_at_1, f1)

Records = Sequence[Prediction]


@dataclass(frozen=True)
class OverSeeds:
    """The difference's mean over the seeds that both variants have, and its variance."""

    seeds: Sequence[int]
    value: float
    variance: Components

    @property
    def p(self) -> float:
        """The p-value of 0, with other personas and other seeds."""
        return self.variance.p_value(self.value)

    def as_dict(self, p_holm: float, verdict: str) -> Content:
        """Return it as JSON holds it."""
        half = self.variance.half_width(LEVEL)
        return {
            "seeds": list(self.seeds),
            "difference": Estimate(self.value, self.value - half, self.value + half).as_dict(),
            "p": self.p,
            "p_holm": p_holm,
            "verdict": verdict,
        }


@dataclass(frozen=True)
class PairedTest:
    """Variant `a` against variant `b` by one metric."""

    metric: Metric
    pair: Pair
    differences: Array  # of each persona, a - b in the metric's unit, (p,)
    mean: Estimate
    p: float
    over_seeds: OverSeeds | None

    def as_dict(self, p_holm: float, over_seeds: Content | None, power: Content) -> Content:
        """Return it as JSON holds it; the verdict is about `a`, at ALPHA after Holm."""
        size = effect_size(self.differences)
        return {
            "metric": self.metric.name,
            "a": self.pair.a,
            "b": self.pair.b,
            "question": self.pair.question,
            "personas": len(self.differences),
            "difference": self.mean.as_dict(),
            "d_z": None if size is None else size.value,
            "d_z_interval": None if size is None else _interval(size),
            "detectable": power,
            "p": self.p,
            "p_holm": p_holm,
            "verdict": self.verdict(self.mean.value, p_holm),
            "over_seeds": over_seeds,
        }

    def verdict(self, difference: float, p_holm: float) -> str:
        """Say what the data say of `a`."""
        if p_holm >= ALPHA:
            return "not distinguishable"
        return "better" if (difference < 0) == (self.metric.better == "lower") else "worse"


def compare(
    headline: Mapping[str, Records],
    claims: Sequence[Claim] = (),
    *,
    permutations: int,
    seed: int,
) -> Content:
    """Test every pair of variants.

    Args:
        headline: each variant's records of Table 1, at its own headline epoch.
        claims: pairs that are a family of their own.
        permutations: sign flips drawn where there are too many personas for all patterns; also
            the bootstrap samples of the intervals.
        seed: of both.

    Raises:
        DataError: as the metrics; two variants share no reply, or were predicted on other tasks.
    """
    bootstrap = Bootstrap(permutations, seed)
    tests = [
        _test(metric, pair, records, bootstrap)
        for pair in pairs(headline, claims)
        for records in [[headline[pair.a], headline[pair.b]]]
        for metric in (*COMPARED, *_by_head(records))
    ]
    tested = [test.pair for test in tests]
    personas = [len(test.differences) for test in tests]
    p_holm = corrected([test.p for test in tests], tested)
    over_seeds = _over_seeds(tests)
    return {
        "alpha": ALPHA,
        "correction": "Holm within each family",
        "families": describe(tested, personas, permutations=permutations),
        "intervals": "difference: other personas; over_seeds: other personas and training seeds",
        "tests": [
            test.as_dict(p, crossed, power)
            for test, p, crossed, power in zip(
                tests, p_holm, over_seeds, _power(tests, permutations), strict=True
            )
        ],
        "variants": sorted(headline),
    }


def _by_head(pair: Sequence[Records]) -> tuple[Metric, ...]:
    """Return the ranking by a head of its own, if both variants have one."""
    has = all(hits_at_1_by_head.is_defined(records) for records in pair)
    return (hits_at_1_by_head,) if has else ()


def _test(
    metric: Metric, pair: Pair, records: Sequence[Records], bootstrap: Bootstrap
) -> PairedTest:
    a, b = common(*records)
    if not a:
        raise DataError(f"{pair.a} and {pair.b} share no held-out reply; run finetune for both")
    if place := other_text(*records):
        raise DataError(
            f"{pair.a} and {pair.b} were predicted on different tasks: {place} is not the same "
            "reply; run finetune for both"
        )
    difference = minus(per_persona(metric, a), per_persona(metric, b))
    values = np.array([difference[persona] for persona in sorted(difference)])
    return PairedTest(
        metric=metric,
        pair=pair,
        differences=values,
        mean=bootstrap.mean(difference, metric.name),
        p=sign_flip_p(values, permutations=bootstrap.samples, seed=bootstrap.seed),
        over_seeds=_crossed(metric, a, b),
    )


def _crossed(metric: Metric, a: Records, b: Records) -> OverSeeds | None:
    """Return the difference over seeds; null unless both variants have two or more in common."""
    seeds = sorted({record.seed for record in a} & {record.seed for record in b})
    if len(seeds) < 2:
        return None
    a, b = ([record for record in those if record.seed in seeds] for those in (a, b))
    cells = metric.combine(sums_by_cell(metric, a)) - metric.combine(sums_by_cell(metric, b))
    variance = components(cells)
    return None if variance is None else OverSeeds(seeds, float(cells.mean()), variance)


def _over_seeds(tests: Sequence[PairedTest]) -> list[Content | None]:
    """Return each test's `over_seeds`, corrected over those of its family that have one."""
    crossed = [(test.over_seeds.p, test.pair) for test in tests if test.over_seeds]
    adjusted = iter(corrected([p for p, _ in crossed], [pair for _, pair in crossed]))
    found: list[Content | None] = []
    for test in tests:
        if test.over_seeds is None:
            found.append(None)
            continue
        p_holm = next(adjusted)
        verdict = test.verdict(test.over_seeds.value, p_holm)
        found.append(test.over_seeds.as_dict(p_holm, verdict))
    return found


def _power(tests: Sequence[PairedTest], permutations: int) -> list[Content]:
    """Return, of each test, the smallest effects that the sample can show, in the metric's unit."""
    size = sizes([test.pair for test in tests])
    found: list[Content] = []
    for test in tests:
        family = size["claims" if test.pair.claimed else "others"]
        levels = {"uncorrected": ALPHA, "holm_first_step": ALPHA / family}
        found.append(
            {
                name: detectable(test.differences, alpha, permutations=permutations)
                for name, alpha in levels.items()
            }
        )
    return found


def _interval(size: EffectSize) -> Content:
    return {"low": size.low, "high": size.high}
