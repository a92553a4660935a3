"""How fast work is, and how long the rest will take."""

import time
from collections.abc import Callable
from datetime import timedelta


class Pace:
    """The speed since the first report: what a resumed run had done before does not count.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[int, float] | None = None  # (units done, seconds)
        self._last = (0, 0.0)

    def report(self, done: int) -> None:
        """Take note that so many units are done by now."""
        self._last = done, self._clock()
        self._first = self._first or self._last

    @property
    def speed(self) -> float | None:
        """Units per second; null: not known yet."""
        if self._first is None:
            return None
        done, seconds = (last - first for last, first in zip(self._last, self._first, strict=True))
        return done / seconds if done > 0 and seconds > 0 else None

    def words(self, unit: str) -> str:
        """Return the speed as one reads it: units per second, or the seconds that one takes."""
        if self.speed is None:
            return ""
        return f"{self.speed:.1f} {unit}/s" if self.speed >= 1 else f"{1 / self.speed:.1f} s each"

    def left(self, total: int | None) -> str:
        """Return how long the rest of `total` units will take; empty: not known."""
        if self.speed is None or total is None:
            return ""
        seconds = max(0, total - self._last[0]) / self.speed
        return f"{timedelta(seconds=round(seconds))} left"
