"""A number as the text of a table's cell. No torch."""

from pipeline.evaluation.schemas.base import Estimate


NONE = "–"  # where there is no number


def number(value: float | None, digits: int) -> str:
    """Return the rounded number; zero has no sign."""
    return NONE if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def published_number(value: float | None) -> str:
    """Return a number that somebody published, without zeros at its end."""
    return NONE if value is None else f"{value:g}"


def interval(
    estimate: Estimate | None,
    digits: int,
    *,
    crossed: bool = False,
    brackets: str = "[]",
    space: str = " ",
) -> str:
    """Return `value [low, high]`; without bounds only the value.

    Args:
        estimate: null gives NONE.
        digits: decimals.
        crossed: whether to show the bounds over personas and seeds instead of those over personas.
        brackets: the two marks around the bounds.
        space: what stands between value and bounds.
    """
    if estimate is None:
        return NONE
    value = number(estimate.value, digits)
    low, high = estimate.low, estimate.high
    if crossed:
        low, high = estimate.crossed_low, estimate.crossed_high
    if low is None or high is None:
        return value
    return f"{value}{space}{brackets[0]}{number(low, digits)}, {number(high, digits)}{brackets[1]}"


def p_value(p: float) -> str:
    """Return a p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def compact(count: float) -> str:
    """Return a count with three digits and the decimal prefix k, M, G, T, P or E.

    Below a thousand it is rounded to a whole number.
    """
    prefixes = ("", "k", "M", "G", "T", "P", "E")
    power = 0
    while float(f"{count:.3g}") >= 1000 and power < len(prefixes) - 1:
        count, power = count / 1000, power + 1
    if power == 0:
        return f"{count:.0f}"
    digits = max(0, 3 - len(str(int(float(f"{count:.3g}")))))
    return f"{count:.{digits}f} {prefixes[power]}"
