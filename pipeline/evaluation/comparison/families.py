"""Which pairs of variants are tested, in which order, in which family of tests. No torch.

Claims (`compare.claims`) are questions that stood before the numbers did: they are one family, and
a further row in params.yaml takes no power from them. Every other pair is in a second family, of
what nobody asked. Holm's correction holds the error rate of each.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

from pipeline.artifacts import Content
from pipeline.evaluation.statistics.paired import holm, smallest_p
from pipeline.params import Claim


FAMILIES = {"claims": True, "others": False}  # by whether their pairs were claimed


@dataclass(frozen=True)
class Pair:
    """Variant `a` against variant `b`."""

    a: str
    b: str
    question: str | None  # of the claim about it

    @property
    def claimed(self) -> bool:
        """Tell whether it was asked in advance."""
        return self.question is not None


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
    for claimed in FAMILIES.values():
        members = [i for i, pair in enumerate(tested) if pair.claimed == claimed]
        for i, p in zip(members, holm([p_values[i] for i in members]), strict=True):
            adjusted[i] = p
    return adjusted


def sizes(tested: Sequence[Pair]) -> dict[str, int]:
    """Return how many tests each family has."""
    return {
        name: sum(pair.claimed == claimed for pair in tested) for name, claimed in FAMILIES.items()
    }


def describe(tested: Sequence[Pair], personas: Sequence[int], *, permutations: int) -> Content:
    """Return each family's size, and what its smallest p-value can be after Holm.

    Args:
        tested: the tests' pairs.
        personas: of each test.
        permutations: as in `sign_flip_p`.
    """
    smallest = smallest_p(max(personas, default=0), permutations)
    return {
        name: {"tests": size, "smallest_p_holm": min(1.0, size * smallest)}
        for name, size in sizes(tested).items()
    }
