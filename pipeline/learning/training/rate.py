"""How fast and how long: the rate of each step, and when training is over.

The rate warms up linearly. Then it is constant, or falls to zero along a cosine. A cosine needs to
know its length. It is all steps after the warm-up, or, where training goes on until valid is flat,
the `decay_steps` that follow: the rate stays until valid is flat and only then falls.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.learning.training.history import HISTORY_COLUMNS
from pipeline.params import Loop


@dataclass(frozen=True)
class Criterion:
    """Which validation is the best: the column that early stopping watches, and the direction."""

    column: str
    best: Literal["lowest", "highest"]

    @property
    def worst(self) -> float:
        """The value before the first validation: every finite value is better."""
        return math.inf if self.best == "lowest" else -math.inf

    def better(self, value: float, than: float) -> bool:
        """Tell whether one value of the column is better than another; NaN never is."""
        return value < than if self.best == "lowest" else value > than

    def best_of(self, values: Sequence[float]) -> float:
        """Return the best of some values of the column."""
        return min(values) if self.best == "lowest" else max(values)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: Adam's rate (β or r), steps, and the rest of the loop."""

    lr: float
    steps: int  # at most
    loop: Loop
    criterion: Criterion
    columns: tuple[str, ...] = HISTORY_COLUMNS

    def rate(self, step: int, flat_at: int | None) -> float:
        """Return Adam's rate in a step.

        Args:
            step: from 0.
            flat_at: steps done when valid was found flat; null: it was not yet.
        """
        warm = min(1.0, (step + 1) / max(1, self.loop.warmup_steps))
        rate = self.lr * warm
        if self.loop.schedule == "constant":
            return rate
        start, length = self._fall(flat_at)
        done = min(1.0, max(0, step - start) / length)
        return rate * (1 + math.cos(math.pi * done)) / 2

    def _fall(self, flat_at: int | None) -> tuple[int, int]:
        """Return the step that the cosine starts from, and its length."""
        until_flat = self.loop.until_flat
        if until_flat is None:
            start = min(self.loop.warmup_steps, self.steps - 1)
            return start, self.steps - start
        latest = max(0, self.steps - until_flat.decay_steps)
        return latest if flat_at is None else min(flat_at, latest), until_flat.decay_steps

    def last_step(self, flat_at: int | None) -> int:
        """Return after how many steps training ends, if patience does not end it before."""
        if self.loop.until_flat is None or flat_at is None:
            return self.steps
        return min(self.steps, flat_at + self.loop.until_flat.decay_steps)

    def is_flat(self, values: Sequence[float]) -> bool:
        """Tell whether the last validations have brought too little.

        Args:
            values: the criterion's, of all validations so far.
        """
        until_flat = self.loop.until_flat
        if until_flat is None or len(values) <= until_flat.validations:
            return False
        before, now = self.criterion.best_of(values[: -until_flat.validations]), values
        return abs(before - self.criterion.best_of(now)) < until_flat.gain

    def exhausted(self, stale: int) -> bool:
        """Tell whether so many validations without a new best end the run: more than patience.

        Where training goes on until valid is flat, that rule alone ends it.
        """
        return self.loop.until_flat is None and stale > self.loop.patience
