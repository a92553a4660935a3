"""Equivalence of two variants within a margin, and the one answer that a test gives. No torch.

"Not distinguishable" is not "equal". Two one-sided tests (Schuirmann 1987) ask whether the mean
difference lies above -m and below m. Both must reject, so the larger p-value counts, and no further
correction is needed for there being two.
"""

from collections.abc import Sequence

from pipeline.evaluation.comparison.families import Pair, corrected
from pipeline.evaluation.comparison.paired import one_sided_p
from pipeline.evaluation.records.metric import Array
from pipeline.evaluation.schemas.comparison import Answer, Equivalence, OverSeeds
from pipeline.evaluation.statistics.seeds import Components


def equivalence_p(differences: Array, margin: float, *, permutations: int, seed: int) -> float:
    """Return the p-value that the mean difference lies outside ±margin, with other personas.

    Args:
        differences: one per persona, (p,).
        margin: in the differences' unit, over 0.
        permutations: as in `sign_flip_p`.
        seed: as there.
    """
    return max(
        one_sided_p(side, permutations=permutations, seed=seed)
        for side in (differences + margin, margin - differences)
    )


def equivalence_p_over_seeds(difference: float, margin: float, variance: Components) -> float:
    """Return the same with other personas and other seeds.

    It is below α where the interval of level 1 - 2α lies within ±margin.
    """
    distance = margin - abs(difference)
    half = variance.p_value(distance) / 2
    return half if distance > 0 else 1 - half


def equivalences(
    p_values: Sequence[float | None], tested: Sequence[Pair], margin: float | None, alpha: float
) -> list[Equivalence | None]:
    """Return each test's equivalence, corrected by Holm over the tests of its family with one."""
    asked = [(p, pair) for p, pair in zip(p_values, tested, strict=True) if p is not None]
    adjusted = iter(corrected([p for p, _ in asked], [pair for _, pair in asked]))
    found: list[Equivalence | None] = []
    for p in p_values:
        if p is None or margin is None:
            found.append(None)
            continue
        p_holm = next(adjusted)
        found.append(Equivalence(margin=margin, p=p, p_holm=p_holm, equivalent=p_holm < alpha))
    return found


def answer(
    verdict: Answer, equivalence: Equivalence | None, over_seeds: OverSeeds | None
) -> Answer:
    """Return what a test says of the first variant.

    The test over seeds decides where there is one. A difference that is shown to be within the
    margin is `equivalent`, even if it is also shown not to be 0.
    """
    if over_seeds is not None:
        verdict, equivalence = over_seeds.verdict, over_seeds.equivalence
    return "equivalent" if equivalence is not None and equivalence.equivalent else verdict
