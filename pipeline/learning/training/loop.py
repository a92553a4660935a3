"""The loop that all training shares: Adam, validation, early stopping, resume.

A method hands in two functions of what is learned: one adds a step's gradient and says what it
did, one validates. The loop owns the leaves, the optimizer, the best so far, the history and the
checkpoint. The method decides what a step and a validation record; the history has a column for
each.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.errors import DivergedError
from pipeline.learning.task_loss.distances import distances
from pipeline.learning.task_loss.theta import Theta
from pipeline.learning.training.history import TrainingStep
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.rate import Schedule
from pipeline.model.checkpoint.checkpoint import (
    State,
    Tensors,
    add_prefix,
    flatten_optimizer,
    refuse_other_tensors,
    restore_optimizer,
    strip_prefix,
)


@dataclass
class TrainingProgress:
    """Everything that resuming needs besides tensors."""

    step: int = 0
    best_step: int = 0
    best_value: float = math.nan  # of the criterion's column, at `best_step`
    stale: int = 0  # validations since the best
    flat_at: int | None = None  # steps done when valid was found flat
    replies: int = 0
    outer_replies: int = 0
    tokens: int = 0
    operations: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    """The best that was learned, by the criterion, and how it came about."""

    theta: Theta
    progress: TrainingProgress
    log_rates: Theta = field(default_factory=dict)  # where the inner loop's rates were learned


class AnyCheckpoint(Protocol):
    """Keeps a run's state beyond its process: a `Checkpoint`, or a `SharedCheckpoint` of ranks."""

    def load(self) -> tuple[Tensors, State] | None:
        """Return what was saved last; null if nothing was."""
        ...

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace what was saved."""
        ...


@dataclass(frozen=True)
class Session:
    """What a process gives to a run: where its state is kept, and who is told of every step."""

    checkpoint: AnyCheckpoint
    on_step: Callable[[int, str], None]  # (steps done, a few words)


Step = Callable[[Learned, int], TrainingStep]
Validate = Callable[[Learned], Mapping[str, float]]  # columns, among them the criterion's


def run(
    start: Learned, step: Step, validate: Validate, schedule: Schedule, session: Session
) -> Trained:
    """Train until the steps or the patience are used up, or valid is flat; return the best.

    Step 0 of the history is the state before training. The checkpoint is written at every
    validation and left in place: delete it once the result is saved.

    Args:
        start: what is learned, before training; not changed.
        step: adds the gradient of step number n to the leaves' `.grad`, and says what it did.
        validate: returns columns of the history.
        schedule: rate, steps, criterion, when to stop.
        session: checkpoint and progress.

    Raises:
        DivergedError: a loss or a gradient is not finite.
    """
    state = _LoopState(start, schedule)
    if (saved := session.checkpoint.load()) is not None:
        state.resume(*saved)
    else:
        state.record_validation(validate(state.learned), None)
    while state.progress.step < state.last_step and not state.exhausted:
        with _at_step(state.progress.step):
            done = step(state.learned, state.progress.step)
        row = state.update(done)
        session.on_step(state.progress.step, f"loss {done.loss:.3f}")
        number = state.progress.step
        if number % schedule.loop.validate_every == 0 or number == state.last_step:
            state.record_validation(validate(state.learned), row)
            session.checkpoint.save(*state.to_save())
    return Trained(state.best.theta, state.progress, state.best.log_rates)


@contextmanager
def _at_step(number: int) -> Iterator[None]:
    """Put the step in front of the error that a task diverged."""
    try:
        yield
    except DivergedError as error:
        raise DivergedError(f"step {number}: {error}") from error


class _LoopState:
    """Adam's leaves, and what is remembered of the run."""

    def __init__(self, start: Learned, schedule: Schedule) -> None:
        self.start = start.apply(lambda value: value.detach())  # never written: no copy
        self.learned = start.apply(lambda value: value.detach().clone().requires_grad_())
        self.best = self.start
        self.progress = TrainingProgress(best_value=schedule.criterion.worst)
        self._schedule = schedule
        self._optimizer = torch.optim.Adam(self.learned.tensors(), lr=schedule.lr)

    @property
    def exhausted(self) -> bool:
        """No validation was the best for longer than the patience."""
        return self._schedule.exhausted(self.progress.stale)

    @property
    def last_step(self) -> int:
        """After so many steps training ends, as far as is known."""
        return self._schedule.last_step(self.progress.flat_at)

    def update(self, done: TrainingStep) -> dict[str, Any]:
        """Clip, take Adam's step, clear the gradient; return the history's new row."""
        progress, loop = self.progress, self._schedule.loop
        norm = torch.nn.utils.clip_grad_norm_(self.learned.tensors(), loop.clip).item()
        if not (math.isfinite(done.loss) and math.isfinite(norm)):
            raise DivergedError(
                f"step {progress.step}: loss {done.loss}, gradient norm {norm}; "
                "lower inner_lr, outer_lr or the lr of the stage's section"
            )
        rate = self._schedule.rate(progress.step, progress.flat_at)
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        progress.step += 1
        progress.replies += done.replies
        progress.outer_replies += done.outer_replies
        progress.tokens += done.cost.tokens
        progress.operations += done.cost.operations
        row = dict.fromkeys(self._schedule.columns) | dict(done.row())
        row |= {
            "step": progress.step,
            "grad_norm": norm,
            "theta_change": distances(self.learned.flat(), self.start.flat()).item(),
        }
        progress.history.append(row)
        return row

    def record_validation(self, columns: Mapping[str, float], row: dict[str, Any] | None) -> None:
        """Write a validation into the row of its step; keep what is learned if it is the best."""
        progress, schedule = self.progress, self._schedule
        if row is None:
            row = dict.fromkeys(schedule.columns) | {"step": 0, "theta_change": 0.0}
            progress.history.append(row)
        for name, value in columns.items():
            if not math.isfinite(value):
                raise DivergedError(
                    f"step {progress.step}: {name} is {value}; "
                    "lower inner_lr, outer_lr or the lr of the stage's section"
                )
        row |= columns
        value = row[schedule.criterion.column]
        if schedule.criterion.better(value, progress.best_value):
            progress.best_value, progress.best_step, progress.stale = value, progress.step, 0
            self.best = self.learned.apply(lambda leaf: leaf.detach().clone())
        else:
            progress.stale += 1
        column = schedule.criterion.column
        values = [row[column] for row in progress.history if row[column] is not None]
        if progress.flat_at is None and schedule.is_flat(values):
            progress.flat_at = progress.step

    def to_save(self) -> tuple[Tensors, State]:
        """Return the checkpoint's tensors and JSON."""
        tensors, groups = flatten_optimizer(self._optimizer)
        tensors |= add_prefix(self.learned.flat(), "learned.") | add_prefix(
            self.best.flat(), "best."
        )
        return tensors, {"progress": asdict(self.progress), "optimizer": groups}

    def resume(self, tensors: Tensors, state: State) -> None:
        """Go back to what `to_save` has returned."""
        for part in ("learned.", "best."):
            refuse_other_tensors(strip_prefix(tensors, part), self.learned.flat())
        saved = strip_prefix(tensors, "learned.")
        with torch.no_grad():
            for name, leaf in self.learned.flat().items():
                leaf.copy_(saved[name])
        device = self.learned.tensors()[0].device
        best = Learned.from_flat(strip_prefix(tensors, "best."))
        self.best = best.apply(lambda value: value.to(device))
        restore_optimizer(self._optimizer, tensors, state["optimizer"])
        self.progress = TrainingProgress(**state["progress"])
        rows = self.progress.history  # a checkpoint's keys are sorted
        self.progress.history = [
            {name: row[name] for name in self._schedule.columns} for row in rows
        ]
