"""A chart in the page: drawing, what it shows in words, its numbers as a table. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.evaluation.report.cells import NONE, interval, number
from pipeline.evaluation.report.charts.chart import Chart, Line, Point
from pipeline.evaluation.report.charts.draw import Order
from pipeline.evaluation.report.charts.files import inline_svg
from pipeline.evaluation.report.table import Row, Table
from pipeline.evaluation.schemas.base import Estimate


MOST_COLUMNS = 12  # of a table beside a chart; of longer lines it has ends and extremes


@dataclass(frozen=True)
class Drawn:
    """What the template needs of a chart."""

    key: str
    title: str
    svg: str
    table: Table


def drawn(charts: Sequence[Chart], order: Order) -> list[Drawn]:
    """Return charts as the page shows them."""
    return [
        Drawn(chart.key, chart.title, inline_svg(chart, order, words(chart)), numbers(chart))
        for chart in charts
    ]


def words(chart: Chart) -> str:
    """Say what a chart shows: axes, and where each line begins and ends."""
    scale = " on a logarithmic axis" if chart.is_log else ""
    lines = "; ".join(
        f"{line.label} from {line.points[0].y:.{chart.digits}f} at {line.points[0].x:g} "
        f"to {line.points[-1].y:.{chart.digits}f} at {line.points[-1].x:g}"
        for line in chart.lines
    )
    return f"Line chart: {chart.title}{scale}, by {chart.x}. {lines}."


def numbers(chart: Chart) -> Table:
    """Return a chart's values with their intervals, a row for each line.

    Of lines with many points the table has where they begin and end, and their extremes.
    """
    xs = sorted({point.x for line in chart.lines for point in line.points})
    if len(xs) > MOST_COLUMNS:
        headings = [chart.x, "first", "last", "lowest", "highest"]
        return Table(headings, [Row(x.row, _ends(x, chart), title=x.name) for x in chart.lines])
    rows = [
        Row(line.row, [_cell(_at(line, x), chart.digits) for x in xs], title=line.name)
        for line in chart.lines
    ]
    return Table([chart.x, *(f"{x:g}" for x in xs)], rows)


def _ends(line: Line, chart: Chart) -> list[str]:
    by_value = sorted(line.points, key=lambda point: point.y)
    points = (line.points[0], line.points[-1], by_value[0], by_value[-1])
    return [f"{number(point.y, chart.digits)} at {point.x:.0f}" for point in points]


def _at(line: Line, x: float) -> Point | None:
    return next((point for point in line.points if point.x == x), None)


def _cell(point: Point | None, digits: int) -> str:
    if point is None:
        return NONE
    return interval(Estimate(value=point.y, low=point.low, high=point.high), digits)
