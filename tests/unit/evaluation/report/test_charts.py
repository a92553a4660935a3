"""Charts: points where the axes say, intervals, escaped words, log axes, the same bytes."""

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.report.charts.chart import Chart, Line, Point, chart, thinned
from pipeline.evaluation.report.charts.files import inline_svg, svg, svg_and_pdf
from pipeline.evaluation.report.charts.look import COLOURS, PAPER, style
from pipeline.evaluation.report.page.keys import MARKS, keys


ORDER = {"a": 0, "b": 1, "c": 9}
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def a_chart(*lines: Line, **more) -> Chart:
    return chart("key", "title", ("x", "y"), lines, 2, **more)


def parsed(drawing: str) -> ET.Element:
    declared = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return ET.fromstring(drawing.replace("<svg ", f"<svg {declared} ", 1))


def series(drawing: str, row: str) -> list[ET.Element]:
    return [g for g in parsed(drawing).iter(f"{SVG}g") if g.get("data-row") == row]


def points(drawing: str, row: str) -> list[tuple[float, float]]:
    """The places of a row's marks."""
    uses = (use for g in series(drawing, row) for use in g.iter(f"{SVG}use"))
    return [(float(use.get("x")), float(use.get("y"))) for use in uses]


def ticks(drawing: str, anchor: str) -> dict[str, float]:
    """An axis's labels and where they stand: x's are anchored in the middle, y's at the end."""
    found = {}
    for text in parsed(drawing).iter(f"{SVG}text"):
        if f"text-anchor: {anchor}" in text.get("style", "") and text.text:
            found[text.text] = float(text.get("x" if anchor == "middle" else "y"))
    return found


def test_a_point_lies_at_its_ticks():
    drawing = inline_svg(a_chart(Line("a", [Point(0, 10), Point(2, 30), Point(4, 20)])), ORDER, "")
    across, up = ticks(drawing, "middle"), ticks(drawing, "end")
    (x0, y0), (x1, y1), (x2, y2) = points(drawing, "a")
    assert [x0, x1, x2] == pytest.approx([across["0"], across["2"], across["4"]])
    assert y1 - y0 == pytest.approx(up["30"] - up["10"], abs=0.01)
    assert y2 - y0 == pytest.approx(up["20"] - up["10"], abs=0.01)
    assert y1 < y2 < y0


def test_intervals_reach_from_low_to_high_beside_their_point():
    lines = [Line("a", [Point(0, 2, 0, 4), Point(1, 3, 2, 4)]), Line("b", [Point(0, 2, 1, 3)])]
    drawing = inline_svg(a_chart(*lines), ORDER, "")
    up = ticks(drawing, "end")
    paths = [p.get("d") for p in series(drawing, "a")[1].iter(f"{SVG}path")]
    (x, bottom), (_, top) = re.findall(r"([\d.]+) ([\d.]+)", paths[0])
    assert float(bottom) - float(top) == pytest.approx(up["0"] - up["4"], abs=0.01)
    assert float(x) == pytest.approx(points(drawing, "a")[0][0])
    assert points(drawing, "b")[0][0] > points(drawing, "a")[0][0]  # they do not hide each other


@pytest.mark.parametrize(
    ("values", "positive", "log"),
    [((1, 10), True, True), ((1, 3), True, False), ((1, 10), False, False), ((0, 10), True, False)],
)
def test_an_axis_is_logarithmic_where_a_linear_one_would_hide_lines(values, positive, log):
    one = a_chart(Line("a", [Point(i, v) for i, v in enumerate(values)]), positive=positive)
    assert one.is_log == log
    assert ("log axis" in inline_svg(one, ORDER, "")) == log


def test_on_a_log_axis_equal_factors_are_equal_distances():
    one = a_chart(Line("a", [Point(i, 2.0 * 3**i) for i in range(4)]), positive=True)
    heights = [y for _, y in points(inline_svg(one, ORDER, ""), "a")]
    steps = [a - b for a, b in pairwise(heights)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.01)


def test_the_same_values_give_the_same_bytes_and_what_is_not_finite_is_left_out(monkeypatch):
    import matplotlib as mpl

    one = a_chart(Line("a", [Point(0, 1), Point(1, math.nan), Point(2, 2)]))
    before = inline_svg(one, ORDER, "d"), *svg_and_pdf([one], ORDER)
    monkeypatch.setitem(mpl.rcParams, "axes.linewidth", 9)  # a user's own settings
    monkeypatch.setitem(mpl.rcParams, "svg.hashsalt", "mine")
    assert (inline_svg(one, ORDER, "d"), *svg_and_pdf([one], ORDER)) == before
    assert svg([one], ORDER) == before[1]
    assert mpl.rcParams["axes.linewidth"] == 9
    assert len(points(before[0], "a")) == 2
    assert b"CreationDate" not in before[2]
    with pytest.raises(DataError, match="no value to draw"):
        a_chart(Line("a", []))


def test_a_figure_for_a_paper_has_outlines_a_legend_and_no_stand_in():
    one = a_chart(Line("a", [Point(0, 1), Point(1, 2)]), Line("c", [Point(0, 1)]))
    drawing = svg([one, one], ORDER)
    ET.fromstring(drawing)
    assert "<text" not in drawing
    assert "var(--" not in drawing
    assert f"stroke: {style(PAPER, 0).colour}" in drawing


def test_the_pages_drawing_has_its_colours_its_own_ids_and_escaped_words():
    one = a_chart(Line("a", [Point(0, 1), Point(1, 2)]))
    drawing = inline_svg(one, ORDER, "less < more & so on")
    root = parsed(drawing)
    assert root.find(f"{SVG}title").text == "less < more & so on"
    assert "#0003" not in drawing
    assert "var(--s0)" in drawing
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert ids
    assert all(name.startswith("key-") for name in ids)
    targets = {use.get(LINK).removeprefix("#") for use in root.iter(f"{SVG}use")}
    targets |= set(re.findall(r"url\(#([^)]+)\)", drawing))
    assert targets <= set(ids)


def test_rows_look_different_and_the_legend_knows_every_mark():
    looks = {(s.colour, s.marker, str(s.dashes)) for s in (style(PAPER, i) for i in range(30))}
    assert len(looks) == 30
    order = {f"v{i}": i for i in range(len(MARKS) * len(COLOURS))}
    assert [key.row for key in keys(list(order), order)] == list(order)


def test_long_lines_are_averaged_and_said_to_be():
    line = [Point(i, float(i % 2)) for i in range(10)]
    assert thinned(line, 10) == (line, 1)
    few, group = thinned(line, 5)
    assert group == 2
    assert few == [Point(0.5 + 2 * i, 0.5) for i in range(5)]
