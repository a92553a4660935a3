"""The columns of `history.csv`: what is recorded of a training step and of a validation."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.learning.training.cost import StepCost


HISTORY_COLUMNS = (
    "step",
    "inner_loss",  # support loss at θ (meta-training), nats per token
    "outer_loss",  # what moved θ: query loss at θ̂ (with support_loss more), or the batch's loss
    "inner_change",  # mean ‖θ̂ - θ‖ (meta-training)
    "grad_norm",  # before clipping
    "theta_change",  # ‖θ - θ_0‖ after the step, learned log α included
    "valid_loss",  # valid query sets at θ
    "valid_adapted_loss",  # valid query sets at θ̂, after adaptation to their support sets
    "adaptation_gain",  # valid_loss - valid_adapted_loss
)


@dataclass(frozen=True)
class DialogueStep:
    """A step of normal training or of meta-training: what it did besides adding its gradient."""

    inner_loss: float | None
    outer_loss: float
    inner_change: float | None
    replies: int  # in any loss
    outer_replies: int  # in the loss that moves θ
    cost: StepCost

    @property
    def loss(self) -> float:
        """The loss that moved θ."""
        return self.outer_loss

    def row(self) -> dict[str, float | None]:
        """Return the history's columns of this step."""
        return {
            "inner_loss": self.inner_loss,
            "outer_loss": self.outer_loss,
            "inner_change": self.inner_change,
        }

    @classmethod
    def pooled(cls, parts: Sequence["DialogueStep"], tasks: Sequence[int]) -> "DialogueStep":
        """Return one step from its parts; `tasks`: how many tasks each part has."""

        def mean(values: Sequence[float]) -> float:
            return sum(n * x for n, x in zip(tasks, values, strict=True)) / sum(tasks)

        def mean_if_any(values: Sequence[float | None]) -> float | None:
            return None if None in values else mean([x for x in values if x is not None])

        return cls(
            inner_loss=mean_if_any([part.inner_loss for part in parts]),
            outer_loss=mean([part.outer_loss for part in parts]),
            inner_change=mean_if_any([part.inner_change for part in parts]),
            replies=sum(part.replies for part in parts),
            outer_replies=sum(part.outer_replies for part in parts),
            cost=sum((part.cost for part in parts), StepCost.zero()),
        )


class TrainingStep(Protocol):
    """What the loop must know of a step, whatever the method."""

    @property
    def loss(self) -> float:
        """The loss that moved θ."""
        ...

    @property
    def replies(self) -> int:
        """How many replies were in any loss."""
        ...

    @property
    def outer_replies(self) -> int:
        """How many replies were in the loss that moved θ."""
        ...

    @property
    def cost(self) -> StepCost:
        """What the step cost."""
        ...

    def row(self) -> Mapping[str, float | None]:
        """Return the history's columns of this step."""
        ...


def adaptation(losses: tuple[float, float]) -> dict[str, float]:
    """Return the columns of a validation before and after adaptation, nats per token."""
    before, after = losses
    return {
        "valid_loss": before,
        "valid_adapted_loss": after,
        "adaptation_gain": before - after,
    }


def history_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a history as CSV text; all its rows have the same columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0] if rows else HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
