"""Paired tests of who ends better, over the same personas and the same replies. No torch.

Per persona and variant there is one value: the metric over the persona's replies, of all training
seeds together. A test asks whether the mean of the per-persona differences could come from
exchanging the two variants persona by persona (sign flips), two-sided. Holm's correction is over a
family: the claims by every metric, or every other pair by every metric (`families.py`). Intervals
are of single differences, not corrected.

A test is about the trained models, with other personas. Where both variants have two or more
training seeds in common, `over_seeds` is about the methods: it also covers other seeds
(`statistics/seeds.py`).

Dimension: p, personas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.comparison.equivalence import (
    answer,
    equivalence_p,
    equivalence_p_over_seeds,
    equivalences,
)
from pipeline.evaluation.comparison.families import Pair, corrected, describe, pairs, sizes
from pipeline.evaluation.comparison.paired import detectable, effect_size, sign_flip_p
from pipeline.evaluation.comparison.seed_difference import SeedDifference
from pipeline.evaluation.metrics.all import f1, hits_at_1, hits_at_1_by_head
from pipeline.evaluation.records.metric import Array, Metric, nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.comparison import (
    NOT_DISTINGUISHABLE,
    Detectable,
    Interval,
    LevelTest,
    LevelTests,
    LevelVerdict,
    OverSeeds,
)
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.persona_values import common, minus, other_text, per_persona
from pipeline.evaluation.statistics.seeds import sums_by_cell
from pipeline.params import Claim
from pipeline.progress import Advance, counted, untold


ALPHA = 0.05  # of a whole family
COMPARED = (nats_per_token, hits_at_1, f1)

Records = Sequence[Prediction]


@dataclass(frozen=True)
class _Difference:
    """Variant `a` minus variant `b` by one metric, before the correction."""

    metric: Metric
    pair: Pair
    values: Array  # of each persona, in the metric's unit, (p,)
    mean: Estimate
    p: float
    over_seeds: SeedDifference | None  # null below two common seeds

    def verdict(self, difference: float, p_holm: float) -> LevelVerdict:
        """Return what a mean difference says of `a`, at ALPHA after Holm."""
        if p_holm >= ALPHA:
            return NOT_DISTINGUISHABLE
        return "better" if (difference < 0) == (self.metric.better == "lower") else "worse"


def compare_levels(
    headline: Mapping[str, Records],
    claims: Sequence[Claim] = (),
    *,
    permutations: int,
    seed: int,
    margin: float | None = None,
    advance: Advance = untold,
) -> LevelTests:
    """Test every pair of variants by each metric of COMPARED, and by the head's ranking.

    Args:
        headline: each variant's records of Table 1, at its own headline epoch.
        claims: pairs that are a family of their own.
        permutations: sign flips drawn where there are too many personas for all patterns; also
            the bootstrap samples of the intervals.
        seed: of both.
        margin: of equivalence, nats per token; null: not tested.
        advance: told of each pair.

    Raises:
        DataError: as the metrics; two variants share no reply, or were predicted on other tasks.
    """
    bootstrap = Bootstrap(permutations, seed)
    differences = [
        _difference(metric, pair, records, bootstrap)
        for pair in counted(pairs(headline, claims), advance)
        for records in [[headline[pair.a], headline[pair.b]]]
        for metric in (*COMPARED, *_by_head(records))
    ]
    tested = [difference.pair for difference in differences]
    personas = [len(difference.values) for difference in differences]
    return LevelTests(
        alpha=ALPHA,
        correction="Holm within each family",
        families=describe(tested, personas, permutations=permutations),
        intervals="difference: other personas; over_seeds: other personas and training seeds",
        tests=_tests(differences, bootstrap, margin),
        variants=sorted(headline),
    )


def _by_head(records_of_both: Sequence[Records]) -> tuple[Metric, ...]:
    """Return Hits@1 by the ranking head, if both variants have a head."""
    both = all(hits_at_1_by_head.is_defined(records) for records in records_of_both)
    return (hits_at_1_by_head,) if both else ()


def _difference(
    metric: Metric, pair: Pair, records: Sequence[Records], bootstrap: Bootstrap
) -> _Difference:
    a, b = common(*records)
    if not a:
        raise DataError(f"{pair.a} and {pair.b} share no held-out reply; run finetune for both")
    if place := other_text(*records):
        raise DataError(
            f"{pair.a} and {pair.b} were predicted on different tasks: {place} is not the same "
            "reply; run finetune for both"
        )
    by_persona = minus(per_persona(metric, a), per_persona(metric, b))
    values = np.array([by_persona[persona] for persona in sorted(by_persona)])
    return _Difference(
        metric=metric,
        pair=pair,
        values=values,
        mean=bootstrap.mean(by_persona, metric.name),
        p=sign_flip_p(values, permutations=bootstrap.samples, seed=bootstrap.seed),
        over_seeds=_seed_difference(metric, a, b),
    )


def _seed_difference(metric: Metric, a: Records, b: Records) -> SeedDifference | None:
    """Return the difference over seeds; null unless both variants have two or more in common."""
    seeds = sorted({record.seed for record in a} & {record.seed for record in b})
    if len(seeds) < 2:
        return None
    a, b = ([record for record in records if record.seed in seeds] for records in (a, b))
    cells = metric.combine(sums_by_cell(metric, a)) - metric.combine(sums_by_cell(metric, b))
    return SeedDifference.of(seeds, cells)


def _tests(
    differences: Sequence[_Difference], bootstrap: Bootstrap, margin: float | None
) -> list[LevelTest]:
    """Return the tests, each corrected within its family."""
    tested = [difference.pair for difference in differences]
    p_holm = corrected([difference.p for difference in differences], tested)
    family_sizes, permutations = sizes(tested), bootstrap.samples
    p_equivalent = [
        equivalence_p(one.values, margin, permutations=permutations, seed=bootstrap.seed)
        if margin and one.metric is nats_per_token
        else None
        for one in differences
    ]
    equivalent = equivalences(p_equivalent, tested, margin, ALPHA)
    rows = zip(differences, p_holm, _over_seeds(differences, margin), equivalent, strict=True)
    found = []
    for difference, p, over_seeds, equivalence in rows:
        size = family_sizes[difference.pair.family]
        test = _test(difference, p, over_seeds, size, permutations)
        said = answer(test.verdict, equivalence, over_seeds)
        found.append(LevelTest(**test.set_fields(), equivalence=equivalence, answer=said))
    return found


def _test(
    difference: _Difference,
    p_holm: float,
    over_seeds: OverSeeds | None,
    family_size: int,
    permutations: int,
) -> LevelTest:
    size = effect_size(difference.values)
    uncorrected, holm_first_step = (
        detectable(difference.values, alpha, permutations=permutations)
        for alpha in (ALPHA, ALPHA / family_size)
    )
    return LevelTest(
        metric=difference.metric.name,
        a=difference.pair.a,
        b=difference.pair.b,
        question=difference.pair.question,
        personas=len(difference.values),
        difference=difference.mean,
        d_z=None if size is None else size.value,
        d_z_interval=None if size is None else Interval(low=size.low, high=size.high),
        detectable=Detectable(uncorrected=uncorrected, holm_first_step=holm_first_step),
        p=difference.p,
        p_holm=p_holm,
        verdict=difference.verdict(difference.mean.value, p_holm),
        over_seeds=over_seeds,
    )


def _over_seeds(differences: Sequence[_Difference], margin: float | None) -> list[OverSeeds | None]:
    """Return each test's `over_seeds`, corrected over the tests of its family that have one."""
    seeded = [(one.over_seeds.p, one.pair) for one in differences if one.over_seeds]
    pairs_of = [pair for _, pair in seeded]
    adjusted = iter(corrected([p for p, _ in seeded], pairs_of))
    p_equivalent = [
        equivalence_p_over_seeds(one.over_seeds.value, margin, one.over_seeds.variance)
        if margin and one.metric is nats_per_token
        else None
        for one in differences
        if one.over_seeds
    ]
    equivalent = iter(equivalences(p_equivalent, pairs_of, margin, ALPHA))
    return [
        None
        if one.over_seeds is None
        else one.over_seeds.tested(one.verdict, next(adjusted), next(equivalent))
        for one in differences
    ]
