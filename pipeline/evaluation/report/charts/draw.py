"""Draw charts on matplotlib's axes: one chart, or several as the panels of a figure. No torch."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from pipeline.evaluation.report.charts.chart import Chart, Line, Point
from pipeline.evaluation.report.charts.look import Look, Style, style


SIZE = (4.8, 3.3)  # of a chart, inches
PANEL = (3.6, 3.0)  # of a panel
COLUMNS = 3  # of panels
LEGEND_ROW = 0.22  # inches
ASIDE = 0.006  # from one line's intervals to the next's, of the width of the axis
ROW = "row:"  # before a row's name in the id of a drawn line
Order = Mapping[str, int]  # the number of each row, by which it has its look


def one(chart: Chart, look: Look, order: Order) -> Figure:
    """Return a chart as a figure of its own, without a legend: the page has one for all charts."""
    figure = Figure(figsize=SIZE)
    axes = figure.add_axes((0.135, 0.155, 0.845, 0.745))
    on_axes(axes, chart, look, order)
    return figure


def panels(charts: Sequence[Chart], look: Look, order: Order) -> Figure:
    """Return charts as panels of one figure, with one legend below.

    Args:
        charts: at least one.
        look: its colours.
        order: the number of every row.
    """
    across = min(COLUMNS, len(charts))
    down = math.ceil(len(charts) / across)
    keys = _keys(charts, look, order)
    per_line = max(1, int(across * PANEL[0] / 1.8))
    below = 0.15 + LEGEND_ROW * math.ceil(len(keys) / per_line)
    width, height = across * PANEL[0], down * PANEL[1] + below
    figure = Figure(figsize=(width, height))
    for number, chart in enumerate(charts):
        left = number % across * PANEL[0] + 0.62
        bottom = height - (number // across + 1) * PANEL[1] + 0.5
        place = (left / width, bottom / height, (PANEL[0] - 0.8) / width, (PANEL[1] - 0.9) / height)
        on_axes(figure.add_axes(place), chart, look, order)
    figure.legend(
        handles=keys, loc="lower center", ncols=min(per_line, len(keys)), fontsize=8.5,
        borderaxespad=0.3, handlelength=2.6,
    )  # fmt: skip
    return figure


def _keys(charts: Sequence[Chart], look: Look, order: Order) -> list[Line2D]:
    rows = sorted({row for chart in charts for row in chart.rows}, key=lambda row: order[row])
    looks = [(row, style(look, order[row])) for row in rows]
    return [
        Line2D([], [], color=s.colour, marker=s.marker, linestyle=s.dashes, label=row)
        for row, s in looks
    ]


def on_axes(axes: Axes, chart: Chart, look: Look, order: Order) -> None:
    """Draw a chart's lines, intervals, axes and title."""
    axes.set_title(chart.title)
    axes.set_xlabel(chart.x)
    axes.set_ylabel("" if chart.y == chart.title else chart.y)
    xs = sorted({point.x for line in chart.lines for point in line.points})
    middle = (len(chart.lines) - 1) / 2
    for number, line in enumerate(chart.lines):
        aside = (number - middle) * ASIDE * (xs[-1] - xs[0]) if chart.has_intervals else 0.0
        _line(axes, line, style(look, order[line.row]), aside)
    if len(xs) <= 8:  # few places, such as the K of Fig. 3: each has its tick
        axes.set_xticks(xs)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if chart.is_log:
        _logarithmic(axes)


def _line(axes: Axes, line: Line, look: Style, aside: float) -> None:
    """Draw a line; where there are few points, their marks, and their intervals.

    All of it is drawn `aside` of its x, so that the lines' intervals do not hide each other.
    """
    few = len(line.points) <= 12
    drawn = axes.plot(
        [p.x + aside for p in line.points],
        [p.y for p in line.points],
        color=look.colour,
        linestyle=look.dashes,
        marker=look.marker if few else "",
        linewidth=1.6 if few else 1.2,
    )
    bars = [p for p in line.points if p.low is not None and p.high is not None]
    artists: list[Artist] = [*drawn]
    if bars:
        ends = [(_or(p.low, p), _or(p.high, p)) for p in bars]
        places = [p.x + aside for p in bars]
        lows, highs = [low for low, _ in ends], [high for _, high in ends]
        artists.append(axes.vlines(places, lows, highs, colors=look.colour, linewidth=1.0))
    for artist in artists:
        artist.set_gid(f"{ROW}{line.row}")


def _or(end: float | None, point: Point) -> float:
    return point.y if end is None else end


def _logarithmic(axes: Axes) -> None:
    """Make y logarithmic, with ticks at 1, 2 and 5 times a power of ten, in plain digits."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(", ".join(word for word in (axes.get_ylabel(), "log axis") if word))
