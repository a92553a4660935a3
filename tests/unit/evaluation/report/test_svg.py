"""The line chart: points where the axes say, error bars, escaped words, the same bytes."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.report.svg import Line, Point, line_chart, scale


NAMESPACE = "{http://www.w3.org/2000/svg}"


def drawn(text, tag):
    return list(ET.fromstring(text).iter(NAMESPACE + tag))


def labels(text):
    return {element.text: element for element in drawn(text, "text")}


def test_a_point_lies_at_its_tick():
    chart = line_chart("t", "x", "y", [Line("a", [Point(0, 10), Point(2, 30), Point(4, 20)])])
    ticks = labels(chart)
    middle = drawn(chart, "circle")[1]
    assert middle.get("cx") == ticks["2"].get("x")
    assert float(middle.get("cy")) == pytest.approx(float(ticks["30"].get("y")) - 4)
    (path,) = drawn(chart, "polyline")
    assert path.get("points").split()[1] == f"{middle.get('cx')},{middle.get('cy')}"


def test_error_bars_reach_from_low_to_high():
    chart = line_chart("t", "x", "y", [Line("a", [Point(0, 2, 0, 4), Point(1, 3)])])
    colour = drawn(chart, "polyline")[0].get("stroke")
    bar = next(one for one in drawn(chart, "line") if one.get("stroke") == colour)
    y = scale([0, 2, 4, 3], 350, 40)
    assert (bar.get("y1"), bar.get("y2")) == (f"{y(0):.2f}", f"{y(4):.2f}")
    assert bar.get("x1") == bar.get("x2") == drawn(chart, "circle")[0].get("cx")


@pytest.mark.parametrize("values", [[0, 1], [-1e-3, 2e-3], [3, 3], [1e6, 3e6], [-7.2, 13.9]])
def test_a_scale_holds_its_values_between_its_ticks(values):
    found = scale(values, 0, 100)
    assert found.ticks[0] <= min(values) <= max(values) <= found.ticks[-1]
    assert 2 <= len(found.ticks) <= 9
    assert found(found.low) == 0
    assert found(found.high) == pytest.approx(100)


def test_every_line_is_in_the_legend_with_its_colour():
    lines = [Line(name, [Point(0, i), Point(1, i)]) for i, name in enumerate(("a<b", "c"))]
    chart = line_chart("one & two", "x", "y", lines)
    assert {"a<b", "c", "one & two", "x", "y"} <= set(labels(chart))
    colours = [path.get("stroke") for path in drawn(chart, "polyline")]
    assert len(set(colours)) == 2
    assert all(len(re.findall(colour, chart)) >= 3 for colour in colours)


def test_the_same_values_give_the_same_bytes_and_what_is_not_finite_is_left_out():
    lines = [Line("a", [Point(0, 1), Point(1, math.nan), Point(2, 2)])]
    chart = line_chart("t", "x", "y", lines)
    assert chart == line_chart("t", "x", "y", lines)
    assert len(drawn(chart, "circle")) == 2
    with pytest.raises(DataError, match="no value to draw"):
        line_chart("t", "x", "y", [Line("a", [])])
