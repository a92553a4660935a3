"""The inner loop's settings: how a task's θ̂ comes about, and how the way back is taken."""

from dataclasses import dataclass
from typing import Literal

from pipeline.learning.gradients.loss_gradients import Theta
from pipeline.learning.inner.inner_optimizers import Adam, Sgd
from pipeline.learning.inner.inner_rates import InnerRates
from pipeline.learning.inner.inner_step import Descent


MetaGradient = Literal["exact", "first_order", "reptile"]


@dataclass(frozen=True)
class InnerLoop:
    """The inner loop and the way back through it."""

    rates: InnerRates  # α and what it moves
    steps: int  # on a task's support sets in turn
    kind: MetaGradient
    tasks_at_once: int = 1  # in one pass, where all that differs between tasks is Φ
    recompute: bool = False  # inner steps' graphs: least memory
    support_loss: float = 0.0  # weight of the support losses' mean in the outer loss
    optimizer: Literal["sgd", "adam"] = "sgd"  # fresh for every task

    def descent(self, logs: Theta) -> Descent:
        """Return how an inner step moves θ̂, given the learned log α if there are any."""
        optimizer = Sgd() if self.optimizer == "sgd" else Adam()
        return Descent(self.rates.rates(logs), optimizer)
