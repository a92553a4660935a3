"""Table 1 beside that of another revision: both values, and whether they differ. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.evaluation.report.formats import TABLE_1
from pipeline.evaluation.report.rows import in_order, titles
from pipeline.evaluation.schemas.base import Estimate, Estimates, Excerpt


class Inputs(Excerpt):
    """Digests of what numbers were made from; older files lack them."""

    tasks: str | None = None
    base: str | None = None


class Levels(Excerpt):
    """Table 1's numbers of a details file of any version."""

    metrics: Estimates
    made_from: Inputs = Inputs()


class HasLevels(Protocol):
    """Levels, or whole details."""

    @property
    def metrics(self) -> Estimates:
        """Table 1's numbers."""
        ...


@dataclass(frozen=True)
class Pair:
    """A number here and there; null where it was not measured."""

    here: Estimate | None
    there: Estimate | None

    @property
    def differs(self) -> bool:
        """Whether value or interval is another, in any digit."""
        return self.here != self.there


@dataclass(frozen=True)
class ComparedRow:
    """A variant's numbers here and there, by metric of Table 1."""

    title: str
    pairs: Mapping[str, Pair]


def compared(here: Mapping[str, HasLevels], there: Mapping[str, HasLevels]) -> list[ComparedRow]:
    """Return a row for each variant that one of the two has, in Table 1's order."""
    return [
        ComparedRow(
            titles().get(name, name),
            {m: Pair(_of(here, name, m), _of(there, name, m)) for m in TABLE_1},
        )
        for name in in_order([*here, *(name for name in there if name not in here)])
    ]


def _of(levels: Mapping[str, HasLevels], name: str, metric: str) -> Estimate | None:
    return levels[name].metrics.get(metric) if name in levels else None


def summary(rows: list[ComparedRow], revision: str) -> str:
    """Say how many numbers differ."""
    pairs = [pair for row in rows for pair in row.pairs.values()]
    differ = sum(pair.differs for pair in pairs)
    if not differ:
        return f"All {len(pairs)} numbers are those of {revision}, to the last digit."
    return f"{differ} of {len(pairs)} numbers are not those of {revision} (≠)."
