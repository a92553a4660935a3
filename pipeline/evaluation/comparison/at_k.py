"""Paired tests at each K: the claims, and every variant against its own controls. No torch.

Fig. 3's question at each K: who is ahead after K dialogues (`nats_per_token`), and whose K
dialogues give more (`gain`)? And of each variant: is fine-tuning ahead of not adapting, of a
stranger's dialogues, of a cache, of the same dialogues in the prompt? All in nats per token. The
claims at each K are one family, the controls another.

Where fewer than K dialogues fit into the prompt, `fitted` says how many; where no more fit than at
a smaller K, or none, there is no test.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.evaluation.comparison.equivalence import (
    answer,
    equivalence_p,
    equivalence_p_over_seeds,
    equivalences,
)
from pipeline.evaluation.comparison.families import Pair, corrected
from pipeline.evaluation.comparison.paired import detectable, sign_flip_p
from pipeline.evaluation.comparison.seed_difference import SeedDifference
from pipeline.evaluation.comparison.sides import (
    Sides,
    Signed,
    Way,
    common_seeds,
    signed_cells,
    signed_sum,
)
from pipeline.evaluation.records.metric import Array
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.comparison import (
    NOT_DISTINGUISHABLE,
    AtK,
    KTest,
    LevelVerdict,
    OverSeeds,
)
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.persona_values import Values
from pipeline.params import Claim


ALPHA = 0.05
CONTROLS: tuple[Way, ...] = ("not adapted", "a stranger's", "a cache", "in the prompt")


@dataclass(frozen=True)
class _Contrast:
    """What is tested: a signed sum of sides, negative where the first is better."""

    k: int | None
    metric: Literal["nats_per_token", "gain"]
    pair: Pair
    sides: Sequence[Signed]
    by_persona: Values

    @property
    def values(self) -> Array:
        """One number per persona, (p,), in the order of their names."""
        return np.array([self.by_persona[name] for name in sorted(self.by_persona)])

    @property
    def short(self) -> dict[str, float]:
        """How many dialogues the control's prompts hold, where they are fewer than K."""
        for _, side in self.sides:
            if self.k is not None and side.fitted is not None and side.fitted < self.k:
                return {"fitted": side.fitted}
        return {}

    def verdict(self, difference: float, p_holm: float) -> LevelVerdict:
        """Return what a mean difference says of the first."""
        if p_holm >= ALPHA:
            return NOT_DISTINGUISHABLE
        lower_is_better = self.metric == "nats_per_token"
        return "better" if (difference < 0) == lower_is_better else "worse"


def compare_at_k(
    records: Mapping[str, Sequence[Prediction]],
    claims: Sequence[Claim],
    bootstrap: Bootstrap,
    margin: float | None,
) -> AtK:
    """Test the claims at each K that both variants have, and each variant against its controls.

    Args:
        records: each variant's predictions, all of them.
        claims: pairs of variants.
        bootstrap: of the intervals; its samples are also the number of sign flips.
        margin: of equivalence, nats per token; null: not tested.
    """
    sides = {name: Sides(predictions) for name, predictions in records.items()}
    asked = [c for claim in claims for c in _of_claim(claim, sides)]
    controls = [c for name, own in sides.items() for c in _of_controls(name, own)]
    return AtK(
        claims=_tests(asked, bootstrap, margin), controls=_tests(controls, bootstrap, margin)
    )


def _of_claim(claim: Claim, sides: Mapping[str, Sides]) -> Iterator[_Contrast]:
    if not {claim.a, claim.b} <= set(sides):
        return
    a, b = sides[claim.a], sides[claim.b]
    pair = Pair(claim.a, claim.b, claim.question)
    for k in a.shots:
        tuned, others = a.of("fine-tuned", k), b.of("fine-tuned", k)
        if tuned is None or others is None:
            continue
        yield from _contrast(k, "nats_per_token", pair, [(1, tuned), (-1, others)])
        zero, zeros = a.of("not adapted", k), b.of("not adapted", k)
        if k and zero is not None and zeros is not None:
            gains = [(1, zero), (-1, tuned), (-1, zeros), (1, others)]
            yield from _contrast(k, "gain", pair, gains)


def _of_controls(name: str, sides: Sides) -> Iterator[_Contrast]:
    for k in (None, *(k for k in sides.shots if k)):
        tuned = sides.of("fine-tuned", k)
        for way in CONTROLS:
            control = sides.of(way, k)
            if tuned is not None and control is not None:
                pair = Pair(name, way, None)
                yield from _contrast(k, "nats_per_token", pair, [(1, tuned), (-1, control)])


def _contrast(
    k: int | None,
    metric: Literal["nats_per_token", "gain"],
    pair: Pair,
    sides: Sequence[Signed],
) -> Iterator[_Contrast]:
    by_persona = signed_sum(sides)
    if by_persona:
        yield _Contrast(k, metric, pair, sides, by_persona)


def _tests(
    contrasts: Sequence[_Contrast], bootstrap: Bootstrap, margin: float | None
) -> list[KTest]:
    """Return the tests of one family."""
    draws = {"permutations": bootstrap.samples, "seed": bootstrap.seed}
    family = [contrast.pair for contrast in contrasts]
    p_values = [sign_flip_p(contrast.values, **draws) for contrast in contrasts]
    p_holm = corrected(p_values, family)
    equivalent = equivalences(
        [margin and equivalence_p(contrast.values, margin, **draws) for contrast in contrasts],
        family,
        margin,
        ALPHA,
    )
    over_seeds = _over_seeds(contrasts, family, margin)
    found = []
    for place, contrast in enumerate(contrasts):
        mean = bootstrap.mean(contrast.by_persona, f"difference in {contrast.metric}")
        verdict = contrast.verdict(mean.value, p_holm[place])
        found.append(
            KTest(
                k=contrast.k,
                metric=contrast.metric,
                a=contrast.pair.a,
                b=contrast.pair.b,
                question=contrast.pair.question,
                personas=len(contrast.by_persona),
                difference=mean,
                detectable=detectable(contrast.values, ALPHA, permutations=bootstrap.samples),
                p=p_values[place],
                p_holm=p_holm[place],
                verdict=verdict,
                equivalence=equivalent[place],
                over_seeds=over_seeds[place],
                answer=answer(verdict, equivalent[place], over_seeds[place]),
                **contrast.short,
            )
        )
    return found


def _over_seeds(
    contrasts: Sequence[_Contrast], family: Sequence[Pair], margin: float | None
) -> list[OverSeeds | None]:
    """Return each test over seeds, corrected over the tests of the family that have one."""
    seeded = [_seeded(contrast) for contrast in contrasts]
    pairs = [pair for one, pair in zip(seeded, family, strict=True) if one]
    known = [one for one in seeded if one]
    p_holm = iter(corrected([one.p for one in known], pairs))
    p_equivalent = [
        margin and equivalence_p_over_seeds(one.value, margin, one.variance) for one in known
    ]
    equivalent = iter(equivalences(p_equivalent, pairs, margin, ALPHA))
    return [
        None if one is None else one.tested(contrast.verdict, next(p_holm), next(equivalent))
        for contrast, one in zip(contrasts, seeded, strict=True)
    ]


def _seeded(contrast: _Contrast) -> SeedDifference | None:
    seeds = common_seeds(contrast.sides)
    return SeedDifference.of(seeds, signed_cells(contrast.sides, seeds)) if seeds[1:] else None
