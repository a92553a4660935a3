"""Dates whose order of day, month and year is not said: told from all dates of a file."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Literal, NamedTuple


Order = Literal["dmy", "mdy", "ymd"]
ORDERS: tuple[Order, ...] = ("dmy", "mdy", "ymd")
WORDS = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}

Date = tuple[str, str, str]  # the three numbers as they are written


class Verdict(NamedTuple):
    """An order, and whether another one fits as well."""

    order: Order
    ambiguous: bool


def verdict_of(dates: Sequence[Date]) -> Verdict:
    """Return the order in which the fewest dates are impossible, then the fewest go back.

    Args:
        dates: of a file, in its order, each once.
    """
    ranked = {order: _badness(dates, order) for order in ORDERS}
    best = min(ranked.values())
    fitting = [order for order in ORDERS if ranked[order] == best]
    same = len({tuple(_day(date, order) for date in dates) for order in fitting}) == 1
    return Verdict(fitting[0], len(fitting) > 1 and not same)


def _badness(dates: Sequence[Date], order: Order) -> tuple[int, int]:
    days = [_day(date, order) for date in dates]
    possible = [day for day in days if day is not None]
    return len(days) - len(possible), sum(after < before for before, after in pairwise(possible))


def _day(date: Date, order: Order) -> datetime | None:
    if order == "ymd" and len(date[0]) != 4:
        return None  # two digits in front are a year only where somebody says so
    try:
        return moment(date, (0, 0, 0), order)
    except ValueError:
        return None


def moment(date: Date, time: tuple[int, int, int], order: Order) -> datetime:
    """Return a date and a time of day (hour, minute, second).

    A year of two digits is of this century.

    Raises:
        ValueError: there is no such date or time.
    """
    numbers = dict(zip(order, date, strict=True))
    if len(numbers["y"]) not in (2, 4) or max(len(numbers["d"]), len(numbers["m"])) > 2:
        raise ValueError("no such date")
    year = int(numbers["y"]) + (2000 if len(numbers["y"]) == 2 else 0)
    return datetime(year, int(numbers["m"]), int(numbers["d"]), *time)
