"""The loop that all training shares: Adam, validation, early stopping, resume.

A method hands in two functions of θ: one that adds a step's gradient and reports it, one that
validates. The loop owns θ, the optimizer, the best θ so far, the history and the checkpoint.
What a report and a validation hold is the method's; the history has a column for each.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.errors import DivergedError
from pipeline.learning.gradients.distances import distances
from pipeline.learning.training.history import HISTORY_COLUMNS, Report
from pipeline.model.checkpoint.checkpoint import (
    State,
    Tensors,
    add_prefix,
    flatten_optimizer,
    restore_optimizer,
    strip_prefix,
)
from pipeline.params import Loop


Theta = dict[str, Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: Adam's rate (β or r), steps, and the rest of the loop."""

    lr: float
    steps: int
    loop: Loop
    criterion: str  # the column that early stopping watches
    highest: bool = False  # is the best of it the highest, or the lowest?
    columns: tuple[str, ...] = HISTORY_COLUMNS


@dataclass
class Progress:
    """Everything that resuming needs besides tensors."""

    step: int = 0
    best_step: int = 0
    best_value: float = math.inf  # negated where the highest is the best
    stale: int = 0  # validations since the best
    replies: int = 0
    outer_replies: int = 0
    tokens: int = 0
    operations: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Trained:
    """The best θ by the criterion, and how it came about."""

    theta: Theta
    progress: Progress


Step = Callable[[Theta, int], Report]
Validate = Callable[[Theta], Mapping[str, float]]  # columns of the history, the criterion's too
OnStep = Callable[[int, str], None]


class Kept(Protocol):
    """Where a run's state outlives its process: a `Checkpoint`, or one that ranks share."""

    def load(self) -> tuple[Tensors, State] | None:
        """Return what was saved last, if anything was."""
        ...

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace what was saved."""
        ...


def run(
    theta: Mapping[str, Tensor],
    step: Step,
    validate: Validate,
    schedule: Schedule,
    *,
    checkpoint: Kept,
    on_step: OnStep,
) -> Trained:
    """Train θ until the steps or the patience are used up; return the best θ.

    Step 0 of the history is the state before training. The checkpoint is written at every
    validation and left in place: delete it once the result is saved.

    Raises:
        DivergedError: a loss or a gradient is not finite.
    """
    state = _State(theta, schedule, checkpoint)
    if not state.resume():
        state.record_validation(validate(state.theta), None)
    while state.progress.step < schedule.steps and not state.exhausted:
        report = step(state.theta, state.progress.step)
        row = state.update(report)
        on_step(state.progress.step, f"loss {report.loss:.3f}")
        number = state.progress.step
        if number % schedule.loop.validate_every == 0 or number == schedule.steps:
            state.record_validation(validate(state.theta), row)
            state.save()
    return Trained(state.best, state.progress)


class _State:
    """θ as Adam's leaves, and what is remembered of the run."""

    def __init__(self, theta: Mapping[str, Tensor], schedule: Schedule, checkpoint: Kept) -> None:
        self.start = {name: value.detach().clone() for name, value in theta.items()}
        self.theta: Theta = {n: v.detach().clone().requires_grad_() for n, v in theta.items()}
        self.best: Theta = self.start
        self.progress = Progress()
        self._schedule = schedule
        self._checkpoint = checkpoint
        self._optimizer = torch.optim.Adam(self.theta.values(), lr=schedule.lr)

    @property
    def exhausted(self) -> bool:
        """No validation was the best for longer than the patience."""
        return self.progress.stale > self._schedule.loop.patience

    def update(self, report: Report) -> dict[str, Any]:
        """Clip, take Adam's step, clear the gradient; return the history's new row."""
        progress, loop = self.progress, self._schedule.loop
        norm = torch.nn.utils.clip_grad_norm_(list(self.theta.values()), loop.clip).item()
        if not (math.isfinite(report.loss) and math.isfinite(norm)):
            raise DivergedError(
                f"step {progress.step}: loss {report.loss}, gradient norm {norm}; "
                "lower inner_lr, outer_lr or the lr of the stage's section"
            )
        warm = min(1.0, (progress.step + 1) / max(1, loop.warmup_steps))
        self._optimizer.param_groups[0]["lr"] = self._schedule.lr * warm
        self._optimizer.step()
        self._optimizer.zero_grad()
        progress.step += 1
        progress.replies += report.replies
        progress.outer_replies += report.outer_replies
        progress.tokens += report.cost.tokens
        progress.operations += report.cost.operations
        row = dict.fromkeys(self._schedule.columns) | dict(report.row())
        row |= {
            "step": progress.step,
            "grad_norm": norm,
            "theta_change": distances(self.theta, self.start).item(),
        }
        progress.history.append(row)
        return row

    def record_validation(self, found: Mapping[str, float], row: dict[str, Any] | None) -> None:
        """Write a validation into the row of its step, and keep θ if it is the best so far."""
        progress, schedule = self.progress, self._schedule
        if row is None:
            row = dict.fromkeys(schedule.columns) | {"step": 0, "theta_change": 0.0}
            progress.history.append(row)
        row |= found
        value = -row[schedule.criterion] if schedule.highest else row[schedule.criterion]
        if value < progress.best_value:
            progress.best_value, progress.best_step, progress.stale = value, progress.step, 0
            self.best = {name: v.detach().clone() for name, v in self.theta.items()}
        else:
            progress.stale += 1

    def save(self) -> None:
        """Write the checkpoint."""
        tensors, groups = flatten_optimizer(self._optimizer)
        tensors |= add_prefix(self.theta, "theta.") | add_prefix(self.best, "best.")
        self._checkpoint.save(tensors, {"progress": asdict(self.progress), "optimizer": groups})

    def resume(self) -> bool:
        """Go back to the checkpoint, if there is one; say whether there was."""
        found = self._checkpoint.load()
        if found is None:
            return False
        tensors, state = found
        device = next(iter(self.theta.values())).device
        with torch.no_grad():
            for name, value in strip_prefix(tensors, "theta.").items():
                self.theta[name].copy_(value)
        self.best = {n: v.to(device) for n, v in strip_prefix(tensors, "best.").items()}
        restore_optimizer(self._optimizer, tensors, state["optimizer"])
        self.progress = Progress(**state["progress"])
        rows = self.progress.history  # a checkpoint's keys are sorted
        self.progress.history = [
            {name: row[name] for name in self._schedule.columns} for row in rows
        ]
        return True
