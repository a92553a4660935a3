"""Numbers and tables as Markdown. No torch."""

from collections.abc import Iterable, Sequence

from pipeline.evaluation.report.rows import Interval


NONE = "–"  # where there is no number


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; nothing if it has no rows."""
    lines = [" | ".join(row) for row in rows]
    if not lines:
        return ""
    rule = "|".join("---" for _ in headings)
    return "\n".join([f"| {' | '.join(headings)} |", f"|{rule}|", *(f"| {x} |" for x in lines)])


def interval(estimate: Interval | None, digits: int, *, crossed: bool = False) -> str:
    """Return `value [low, high]`; the bounds over seeds, too, where `crossed`."""
    if estimate is None:
        return NONE
    low, high = estimate.low, estimate.high
    if crossed:
        low, high = estimate.crossed_low, estimate.crossed_high
    if low is None or high is None:
        return number(estimate.value, digits)
    bounds = f"[{number(low, digits)}, {number(high, digits)}]"
    return f"{number(estimate.value, digits)} {bounds}"


def number(value: float, digits: int) -> str:
    """Return the rounded number; zero has no sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def code(name: str) -> str:
    """Return a variant's name in code font."""
    return f"`{name}`"


def given(printed: float | None) -> str:
    """Return a published number as it was printed."""
    return NONE if printed is None else f"{printed:g}"


def p_value(p: float) -> str:
    """Return a p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
