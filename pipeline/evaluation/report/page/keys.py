"""The legend of all charts: each row's line and mark, to be picked. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.report.charts.draw import Order
from pipeline.evaluation.report.charts.look import PAGE, VARIABLES, style


MARKS = {  # a mark around (0, 0) as SVG's path data, in the shape that charts draw
    "o": "M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z",
    "s": "M-3-3h6v6h-6z",
    "^": "M0-3.6L3.6 3h-7.2z",
    "D": "M0-4L4 0L0 4L-4 0z",
    "v": "M0 3.6L3.6-3h-7.2z",
    "P": "M-1.3-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
    "X": "M-3.5-2l1.5-1.5L0-1.5l2-2L3.5-2l-2 2l2 2L2 3.5l-2-2l-2 2L-3.5 2l2-2z",
}


@dataclass(frozen=True)
class Key:
    """How a row looks in charts."""

    row: str
    colour: str
    dashes: str  # SVG's stroke-dasharray
    mark: str  # path data


def keys(rows: Sequence[str], order: Order) -> list[Key]:
    """Return the look of each row."""
    shown = []
    for row in rows:
        look = style(PAGE, order[row])
        dashes = "none" if look.dashes == "-" else " ".join(f"{1.6 * d:g}" for d in look.dashes[1])
        shown.append(Key(row, VARIABLES[look.colour], dashes, MARKS[look.marker]))
    return shown
