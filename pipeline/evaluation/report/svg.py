"""A line chart as SVG text: axes with ticks, lines with error bars, a legend. No torch.

The same values give the same bytes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from pipeline.errors import DataError


WIDTH, HEIGHT = 800, 400  # of the whole, pixels
LEFT, RIGHT, TOP, BOTTOM = 70, 180, 40, 50  # margins; the legend stands in the right one
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# Okabe and Ito's palette, which colour-blind people can tell apart.


@dataclass(frozen=True)
class Point:
    """A value, and its interval where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """A named series of points, in order."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Scale:
    """A linear map from values to pixels, with the ticks that its axis shows."""

    low: float
    high: float
    start: float  # pixel of `low`
    stop: float  # pixel of `high`
    step: float  # from tick to tick

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    @property
    def ticks(self) -> list[float]:
        """Return the multiples of `step` within the scale."""
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [number * self.step for number in range(first, last + 1)]


def scale(values: Sequence[float], start: float, stop: float) -> Scale:
    """Return a scale that holds all values; its ends are round ticks (1, 2 or 5 times 10^n)."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step, start, stop, step)


def line_chart(title: str, x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    """Draw a chart; a point whose value is not finite is left out.

    Raises:
        DataError: no line has a point to draw.
    """
    shown = [Line(line.name, [p for p in line.points if math.isfinite(p.y)]) for line in lines]
    points = [point for line in shown for point in line.points]
    if not points:
        raise DataError(f"{title}: no value to draw")
    bounds = [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    x = scale([point.x for point in points], LEFT, WIDTH - RIGHT)
    y = scale(bounds, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(WIDTH / 2, 20, title, size=14),
        *_axes(x, y, x_label, y_label),
        *(part for i, line in enumerate(shown) for part in _series(line, i, x, y)),
        *(part for i, line in enumerate(shown) for part in _key(line.name, i)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axes(x: Scale, y: Scale, x_label: str, y_label: str) -> list[str]:
    floor, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    parts = []
    for tick in x.ticks:
        parts.append(_stroke((x(tick), floor), (x(tick), floor + 5), "#333"))
        parts.append(_text(x(tick), floor + 18, f"{tick:.6g}"))
    for tick in y.ticks:
        parts.append(_stroke((LEFT, y(tick)), (WIDTH - RIGHT, y(tick)), "#ddd"))
        parts.append(_text(LEFT - 8, y(tick) + 4, f"{tick:.6g}", anchor="end"))
    parts.append(_stroke((LEFT, floor), (WIDTH - RIGHT, floor), "#333"))
    parts.append(_stroke((LEFT, TOP), (LEFT, floor), "#333"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_label))
    turned = f' transform="rotate(-90 16 {middle:.2f})"'
    parts.append(_text(16, middle, y_label, extra=turned))
    return parts


def _series(line: Line, index: int, x: Scale, y: Scale) -> list[str]:
    colour = COLOURS[index % len(COLOURS)]
    path = " ".join(f"{x(p.x):.2f},{y(p.y):.2f}" for p in line.points)
    look = f'stroke="{colour}" stroke-width="2"{_dash(index)}'
    parts = [f'<polyline points="{path}" fill="none" {look}/>']
    for p in line.points:
        if p.low is not None and p.high is not None:
            parts.append(_stroke((x(p.x), y(p.low)), (x(p.x), y(p.high)), colour))
        parts.append(f'<circle cx="{x(p.x):.2f}" cy="{y(p.y):.2f}" r="3" fill="{colour}"/>')
    return parts


def _key(name: str, index: int) -> list[str]:
    height = TOP + 14 + 16 * index
    left = WIDTH - RIGHT + 10
    colour = COLOURS[index % len(COLOURS)]
    return [
        _stroke((left, height), (left + 20, height), colour, _dash(index)),
        _text(left + 26, height + 4, name, anchor="start"),
    ]


def _dash(index: int) -> str:
    """Return the dashes that tell lines of the same colour apart."""
    return "" if index < len(COLOURS) else ' stroke-dasharray="6 3"'


def _stroke(
    begin: tuple[float, float], end: tuple[float, float], colour: str, extra: str = ""
) -> str:
    (x1, y1), (x2, y2) = begin, end
    return (
        f'<line x1="{x1:.2f}" y1="{y1:.2f}" x2="{x2:.2f}" y2="{y2:.2f}" '
        f'stroke="{colour}" stroke-width="1.5"{extra}/>'
    )


def _text(
    x: float, y: float, words: str, *, anchor: str = "middle", size: int = 12, extra: str = ""
) -> str:
    return (
        f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" font-size="{size}"{extra}>'
        f"{escape(words)}</text>"
    )
