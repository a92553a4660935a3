"""The curve of study `conflict`: what meta-learning adds, as people conflict more. No torch.

At each setting of the dial and each K a meta-trained row is paired with normal training of the same
parameters. The gain is what normal training's nats per token exceed the other's by. Intervals and
tests are over people crossed with training seeds (`statistics/seeds.py`); Holm's correction is over
all tests with K > 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import DataError
from pipeline.evaluation.comparison.paired import holm
from pipeline.evaluation.few_shot.short_prompts import ShortPrompt, short_prompts
from pipeline.evaluation.few_shot.shots import NATS, WAYS, ShotSums, Way
from pipeline.evaluation.records.metric import Array
from pipeline.evaluation.report.charts.chart import Chart, Line, Point, chart
from pipeline.evaluation.report.charts.files import svg
from pipeline.evaluation.schemas.base import Count, Estimate, Schema
from pipeline.evaluation.schemas.bounds import Share
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.seeds import components


ALPHA = 0.05
PAIRS = (("in_place", "transfer"), ("extra_place", "adapters"))  # meta-learning, normal training

Verdict = Literal["better", "worse", "not distinguishable"]
Rows = Mapping[str, ShotSums]  # by variant


class Level(Schema):
    """Where a row ends, in nats per token."""

    conflict: float
    k: int
    row: str
    way: Way
    nats: Estimate


class Gain(Schema):
    """Normal training minus meta-learning, in nats per token: over 0, meta-learning is ahead."""

    conflict: float
    k: int
    meta: str
    normal: str
    gain: Estimate
    p: Share | None  # over people and seeds; null below two seeds
    p_holm: Share | None  # null at K = 0, where nothing is claimed
    verdict: Verdict | None


class Curve(Schema):
    """`studies/conflict/curve.json`."""

    personas: Count
    seeds: list[int]
    tests: Count
    levels: list[Level]
    gains: list[Gain]
    # What it was made from, as `kept_sums`; older ones say nothing.
    shots: dict[str, str] | None = None
    # Prompts that hold fewer than K dialogues; absent where all fit, and from older files.
    short_prompts: list[ShortPrompt] | None = None


@dataclass(frozen=True)
class _Difference:
    conflict: float
    k: int
    pair: tuple[str, str]
    cells: Array  # (p, q)

    @property
    def p(self) -> float | None:
        variance = components(self.cells)
        return None if variance is None else variance.p_value(float(self.cells.mean()))


def curve(settings: Mapping[float, Rows], bootstrap: Bootstrap) -> Curve:
    """Return the levels of all rows and the gains of all pairs.

    Args:
        settings: each setting of the dial with its rows.
        bootstrap: of the intervals over people.

    Raises:
        DataError: a row was not scored at a K that another has; or settings have other people or
            training seeds, of which the curve names those of all.
    """
    _refuse_other_sizes(settings)
    differences = [
        _Difference(conflict, k, (a, b), rows[b].nats(k) - rows[a].nats(k))
        for conflict, rows in sorted(settings.items())
        for a, b in PAIRS
        if a in rows and b in rows
        for k in sorted(rows[a].tuned)
    ]
    tested = [one for one in differences if one.k and one.p is not None]
    corrected = dict(zip(map(id, tested), holm([one.p or 0.0 for one in tested]), strict=True))
    first = next(row for rows in settings.values() for row in rows.values())
    short = [
        one for conflict in sorted(settings) for one in short_prompts(settings[conflict], conflict)
    ]
    told = {"short_prompts": short} if short else {}
    return Curve(
        personas=len(first.personas),
        seeds=first.seeds,
        tests=len(tested),
        levels=[
            level
            for conflict, rows in sorted(settings.items())
            for name, row in rows.items()
            for level in _levels(conflict, name, row, bootstrap)
        ],
        gains=[_gain(one, corrected.get(id(one)), bootstrap) for one in differences],
        **told,
    )


def _refuse_other_sizes(settings: Mapping[float, Rows]) -> None:
    sizes = {
        (len(row.personas), *row.seeds): conflict
        for conflict, rows in sorted(settings.items(), reverse=True)
        for row in rows.values()
    }
    if len(sizes) > 1:
        told = [
            f"{conflict} has {people} people by training seeds {seeds}"
            for (people, *seeds), conflict in sorted(sizes.items(), key=lambda one: one[1])[:2]
        ]
        raise DataError(
            f"setting {', setting '.join(told)}; settings of the same people and training seeds "
            "were expected: run one of them again with the values of the other"
        )


def _gain(one: _Difference, p_holm: float | None, bootstrap: Bootstrap) -> Gain:
    gain = bootstrap.over_cells(one.cells, NATS)
    verdict: Verdict | None = None
    if p_holm is not None:
        ahead: Verdict = "better" if gain.value > 0 else "worse"
        verdict = ahead if p_holm < ALPHA else "not distinguishable"
    return Gain(
        conflict=one.conflict,
        k=one.k,
        meta=one.pair[0],
        normal=one.pair[1],
        gain=gain,
        p=one.p,
        p_holm=p_holm,
        verdict=verdict,
    )


def _levels(conflict: float, name: str, row: ShotSums, bootstrap: Bootstrap) -> Sequence[Level]:
    return [
        Level(
            conflict=conflict,
            k=k,
            row=name,
            way=way,
            nats=bootstrap.over_cells(row.nats(k, way), NATS),
        )
        for way in WAYS
        for k in row.shots(way)
    ]


def picture(found: Curve) -> str:
    """Return the figure as SVG: for each pair the gain against the dial, a line for each K.

    Raises:
        DataError: no pair was scored.
    """
    of_pair = {
        pair: [one for one in found.gains if (one.meta, one.normal) == pair] for pair in PAIRS
    }
    panels = [_panel(*pair, gains) for pair, gains in of_pair.items() if gains]
    if not panels:
        raise DataError("no meta-trained row has its normally trained one beside it")
    shots = sorted({one.k for one in found.gains})
    return svg(panels, {_line(k): number for number, k in enumerate(shots)})


def _panel(meta: str, normal: str, gains: Sequence[Gain]) -> Chart:
    lines = [
        Line(_line(k), [_point(one) for one in gains if one.k == k])
        for k in sorted({one.k for one in gains})
    ]
    axes = ("share of replies in a private code", "nats per token")
    return chart(meta, f"Gain of {meta} over {normal}", axes, lines, 3)


def _line(k: int) -> str:
    return f"K = {k}"


def _point(one: Gain) -> Point:
    return Point(one.conflict, one.gain.value, one.gain.crossed_low, one.gain.crossed_high)
