"""A chart as values: lines of points with intervals, by row, and when its axis is logarithmic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import DataError


LOG_FROM = 4.0  # the largest value over the smallest, from which on a linear axis hides lines


@dataclass(frozen=True)
class Point:
    """A value, and its interval where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A series of points, in order.

    Attributes:
        row: the variant that it is of; lines of one row look alike and are picked together.
        points: whose y is finite.
        name: null: the row's.
    """

    row: str
    points: Sequence[Point]
    name: str | None = None

    @property
    def label(self) -> str:
        """What a legend and a table call it."""
        return self.row if self.name is None else self.name


@dataclass(frozen=True)
class Chart:
    """Lines over one x, in one unit.

    Attributes:
        key: names its file and its place in the page; letters, digits, `_` and `-`.
        title: one line.
        x: label of the x axis.
        y: label of the y axis, with the unit.
        lines: at least one, each with a point.
        digits: decimals of a value in a table.
        positive: whether the values can be on a logarithmic axis.
    """

    key: str
    title: str
    x: str
    y: str
    lines: Sequence[Line]
    digits: int = 3
    positive: bool = False

    @property
    def rows(self) -> list[str]:
        """The rows that have a line here, each once."""
        return list(dict.fromkeys(line.row for line in self.lines))

    @property
    def has_intervals(self) -> bool:
        """Whether a point has an interval."""
        return any(point.low is not None for line in self.lines for point in line.points)

    @property
    def is_log(self) -> bool:
        """Whether the y axis is logarithmic: its values differ by a factor over LOG_FROM."""
        values = [point.y for line in self.lines for point in line.points]
        return self.positive and min(values) > 0 and max(values) > LOG_FROM * min(values)


def chart(
    key: str,
    title: str,
    axes: tuple[str, str],
    lines: Sequence[Line],
    digits: int,
    *,
    positive: bool = False,
) -> Chart:
    """Return a chart of the points that are finite, or refuse where there is none.

    Args:
        key: as `Chart`.
        title: as `Chart`.
        axes: the labels of x and y.
        lines: a line without a point is left out.
        digits: as `Chart`.
        positive: as `Chart`.

    Raises:
        DataError: there is nothing to draw.
    """
    shown = [Line(line.row, finite(line.points), line.name) for line in lines]
    if not (shown := [line for line in shown if line.points]):
        raise DataError(f"{title}: no value to draw")
    return Chart(key, title, *axes, shown, digits, positive)


def finite(points: Sequence[Point]) -> list[Point]:
    """Return the points whose value is finite."""
    return [point for point in points if math.isfinite(point.y)]


def thinned(points: Sequence[Point], most: int) -> tuple[list[Point], int]:
    """Return at most `most` points, each the mean over so many neighbours, and how many those are.

    Args:
        points: without intervals.
        most: at least 1.
    """
    group = max(1, math.ceil(len(points) / most))
    if group == 1:
        return list(points), 1
    parts = [points[start : start + group] for start in range(0, len(points), group)]
    means = [
        Point(
            math.fsum(p.x for p in part) / len(part),
            math.fsum(p.y for p in part) / len(part),
        )
        for part in parts
    ]
    return means, group
