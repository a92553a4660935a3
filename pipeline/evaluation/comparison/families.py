"""Which pairs of variants are tested, in which order, in which family of tests. No torch.

Claims (`compare.claims`) are questions that are asked before there are numbers. They are one
family, and a further variant in params.yaml takes no power from them. All other pairs are a second
family, of what nobody asked. Holm's correction holds the error rate of each family.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from pipeline.evaluation.comparison.paired import holm, smallest_p
from pipeline.evaluation.schemas.comparison import Families, Family
from pipeline.params import Claim


FamilyName = Literal["claims", "others"]

FAMILIES: tuple[FamilyName, ...] = ("claims", "others")


@dataclass(frozen=True)
class Pair:
    """Variant `a` against variant `b`."""

    a: str
    b: str
    question: str | None  # of the claim about it

    @property
    def family(self) -> FamilyName:
        """The family of its tests."""
        return "others" if self.question is None else "claims"


def pairs(names: Collection[str], claims: Sequence[Claim]) -> list[Pair]:
    """Return every pair once: claims in their own order, then the others by name.

    A claim about a variant that is not among `names` is left out.
    """
    claimed = [Pair(c.a, c.b, c.question) for c in claims if {c.a, c.b} <= set(names)]
    asked = [{pair.a, pair.b} for pair in claimed]
    others = [Pair(a, b, None) for a, b in combinations(sorted(names), 2) if {a, b} not in asked]
    return [*claimed, *others]


def corrected(p_values: Sequence[float], tested: Sequence[Pair]) -> list[float]:
    """Return each test's p-value by Holm within its family; `tested` are the tests' pairs."""
    adjusted = list(p_values)
    for family in FAMILIES:
        members = [i for i, pair in enumerate(tested) if pair.family == family]
        for i, p in zip(members, holm([p_values[i] for i in members]), strict=True):
            adjusted[i] = p
    return adjusted


def sizes(tested: Sequence[Pair]) -> dict[FamilyName, int]:
    """Return how many tests each family has."""
    return {family: sum(pair.family == family for pair in tested) for family in FAMILIES}


def describe(tested: Sequence[Pair], personas: Sequence[int], *, permutations: int) -> Families:
    """Return each family's size, and the smallest p-value that it can have after Holm.

    Args:
        tested: the tests' pairs.
        personas: of each test.
        permutations: as in `sign_flip_p`.
    """
    smallest = smallest_p(max(personas, default=0), permutations)
    claims, others = (
        Family(tests=size, smallest_p_holm=min(1.0, size * smallest))
        for size in sizes(tested).values()
    )
    return Families(claims=claims, others=others)
