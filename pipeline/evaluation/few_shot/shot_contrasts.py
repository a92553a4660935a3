"""Which sides of a run's shots are compared: claims, what dialogues bring, ways to use them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.few_shot.shot_answers import Family, Side
from pipeline.evaluation.few_shot.shots import WAYS, ShotSums, Way
from pipeline.evaluation.records.metric import Array
from pipeline.evaluation.statistics.seeds import Components, components
from pipeline.params import Claim


COMPARED: tuple[tuple[Way, Way], ...] = (
    ("gradient", "prompt"),
    ("gradient", "cache"),
    ("gradient", "stranger"),
    ("prompt", "stranger_prompt"),
)

Rows = Mapping[str, ShotSums]  # by variant


@dataclass(frozen=True)
class Contrast:
    """Two sides, and their difference in nats per token."""

    family: Family
    question: str | None
    a: Side
    b: Side
    cells: Array  # a - b of each person and seed, (p, q)
    variance: Components | None  # null with one seed

    @property
    def by_person(self) -> Array:
        """The mean over seeds, (p,)."""
        return np.asarray(self.cells.mean(axis=1))


def contrasts_of(rows: Rows, claims: Sequence[Claim]) -> list[Contrast]:
    """Return what is compared, by family; a claim about a row that is not there is left out.

    Raises:
        DataError: a row was not scored at a K that its pair needs.
    """
    asked = [claim for claim in claims if {claim.a, claim.b} <= rows.keys()]
    return [
        *_claims(rows, asked),
        *_claims_of_gains(rows, asked),
        *_gains(rows),
        *_ways(rows),
    ]


def sides_of_row(name: str, row: ShotSums) -> Iterator[Side]:
    """Yield each way and K at which a row has a result of its own, `ShotSums.shots`."""
    for way in WAYS:
        for k in row.shots(way):
            yield Side(row=name, k=k, way=way)


def nats_of(rows: Rows, side: Side) -> Array:
    """Return the nats per token of each person and seed, (p, q)."""
    return rows[side.row].nats(side.k, side.way)


def _contrast(rows: Rows, family: Family, question: str | None, a: Side, b: Side) -> Contrast:
    cells = nats_of(rows, a) - nats_of(rows, b)
    return Contrast(family, question, a, b, cells, components(cells))


def _claims(rows: Rows, claims: Sequence[Claim]) -> Iterator[Contrast]:
    for claim in claims:
        shared = _shared(rows, claim)
        for k in [k for k in shared if k] or shared:
            a, b = _sides_of(claim, k)
            yield _contrast(rows, "claims", claim.question, a, b)


def _claims_of_gains(rows: Rows, claims: Sequence[Claim]) -> Iterator[Contrast]:
    for claim in claims:
        shared = _shared(rows, claim)
        for k in shared if 0 in shared else []:
            if k:
                (a, b), zeros = _sides_of(claim, k), _sides_of(claim, 0)
                after, before = (nats_of(rows, s) - nats_of(rows, t) for s, t in ((a, b), zeros))
                cells = after - before
                yield Contrast("claims_of_gains", claim.question, a, b, cells, components(cells))


def _shared(rows: Rows, claim: Claim) -> list[int]:
    """Return the K at which both rows were adapted by gradient steps, or scored without."""
    return sorted(rows[claim.a].tuned.keys() & rows[claim.b].tuned.keys())


def _sides_of(claim: Claim, k: int) -> tuple[Side, Side]:
    a, b = (Side(row=name, k=k, way="gradient") for name in (claim.a, claim.b))
    return a, b


def _gains(rows: Rows) -> Iterator[Contrast]:
    for name, row in rows.items():
        start = Side(row=name, k=0, way="gradient")
        for side in sides_of_row(name, row):
            if side.k and 0 in row.tuned:
                yield _contrast(rows, "gains", None, side, start)


def _ways(rows: Rows) -> Iterator[Contrast]:
    for name, row in rows.items():
        for first, second in COMPARED:
            for k in sorted({*row.shots(first)} & {*row.shots(second)}):
                a, b = (Side(row=name, k=k, way=way) for way in (first, second))
                yield _contrast(rows, "ways", None, a, b)
