"""A figure as SVG or PDF: without time, host or chance; and as SVG to stand in a page. No torch."""

import io
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from matplotlib.figure import Figure

from pipeline.evaluation.report.charts.chart import Chart
from pipeline.evaluation.report.charts.draw import ROW, Order, one, panels
from pipeline.evaluation.report.charts.look import PAGE, PAPER, VARIABLES, settings


FREE_OF_TIME: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None},
}
OPENING = re.compile(r'\A.*?<svg[^>]*?(viewBox="[^"]*")[^>]*>', re.DOTALL)
LEFT_OUT = re.compile(  # what a page has no use for
    r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>"
    r'| id="(?:figure|axes|patch|text|line2d|LineCollection|matplotlib\.axis|[xy]tick)_\d+"'
    r'| transform="rotate\(-0 [^"]*"',
    re.DOTALL,
)
OWN_ROW = re.compile(rf'id="{ROW}([\w-]+)"')
NAMED = re.compile(r'( id="|href="#|url\(#)')
FONT = "font-family: 'DejaVu Sans'"
STAND_IN = re.compile("|".join(VARIABLES))


def svg(charts: Sequence[Chart], order: Order) -> str:
    """Return charts as panels of a figure that stands alone, letters as outlines."""
    with settings(PAPER):
        return _saved(panels(charts, PAPER, order), "svg").decode()


def svg_and_pdf(charts: Sequence[Chart], order: Order) -> tuple[str, bytes]:
    """Return the same figure as SVG and as PDF, whose fonts are embedded."""
    with settings(PAPER):
        figure = panels(charts, PAPER, order)
        return _saved(figure, "svg").decode(), _saved(figure, "pdf")


def inline_svg(chart: Chart, order: Order, description: str) -> str:
    """Return a chart as an SVG element for a page.

    Colours and the font are the page's variables. A line's elements have the class `series` and
    their row in `data-row`. Every id begins with the chart's key, so that no two charts share one.

    Args:
        chart: what is drawn.
        order: the number of every row.
        description: what it shows, for who cannot see it.
    """
    with settings(PAGE):
        text = _saved(one(chart, PAGE, order), "svg").decode()
    box = OPENING.match(text)
    if box is None:
        raise AssertionError("matplotlib's SVG begins with an element `svg` that has a viewBox")
    body = LEFT_OUT.sub("", text[box.end() :])
    body = OWN_ROW.sub(r'class="series" data-row="\1"', body)
    body = NAMED.sub(rf"\g<1>{chart.key}-", body)
    body = STAND_IN.sub(lambda match: VARIABLES[match[0]], body)
    body = " ".join(body.replace(FONT, "font-family: var(--font)").split())
    title = f"{chart.key}-title"
    return (
        f'<svg {box[1]} role="img" aria-labelledby="{title}">'
        f'<title id="{title}">{escape(description)}</title>{body}'
    )


def _saved(figure: Figure, kind: str) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, metadata=FREE_OF_TIME[kind])
    return stream.getvalue()
