"""The inner loop's settings: what moves, how fast, how often, and how its gradient is computed.

ANIL (Raghu et al. 2020) moves a few tensors only. LSLR (Antoniou et al. 2019) learns a rate for
each tensor, as Meta-SGD does for each number. The outer loop learns the rates beside θ, by their
logarithms, so that rates stay positive and Adam's step is relative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Literal

import torch
from torch import Tensor

from pipeline.learning.inner.inner_optimizers import Adam, Sgd
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.task_loss.theta import Theta


MetaGradient = Literal["exact", "first_order", "reptile"]


@dataclass(frozen=True)
class InnerLoop:
    """The inner loop and the way back through it.

    `log_rates` is an argument of several methods: log α by the name of the tensor that it moves,
    each of shape (). It is empty where all tensors move with the fixed `lr`.
    """

    moves: Sequence[str]  # names of the tensors of θ that inner steps move; the others stay at θ
    lr: float  # α, or the value from which learned rates start
    steps: int  # on a task's support sets in turn
    kind: MetaGradient
    tasks_at_once: int = 1  # in one pass, where all that differs between tasks is Φ
    recompute: bool = False  # make inner steps' graphs again on the way back: least memory
    support_loss: float = 0.0  # weight of the support losses' mean in the outer loss
    optimizer: Literal["sgd", "adam"] = "sgd"  # its state is fresh for every task

    def start_of_log_rates(self, theta: Theta) -> dict[str, Tensor]:
        """Return the log α from which an outer loop starts that learns the rates."""
        like = next(iter(theta.values()))
        return {name: like.new_tensor(log(self.lr)) for name in self.moves}

    def descent(self, log_rates: Theta) -> Descent:
        """Return how an inner step moves θ̂; learned rates are tensors without a gradient."""
        rates: dict[str, float | Tensor] = dict.fromkeys(self.moves, self.lr)
        if log_rates:
            rates = {name: torch.exp(log_rates[name].detach()) for name in self.moves}
        return Descent(rates, Sgd() if self.optimizer == "sgd" else Adam())

    def rates_for_finetuning(
        self, theta: Theta, log_rates: Theta
    ) -> dict[str, float | None] | None:
        """Return what fine-tuning must know: what moves, at which rate.

        Returns:
            The learned rate of each tensor that moves, null where fine-tuning takes its own.
            Null instead of a dictionary: all of θ moves, no rate is learned.
        """
        if not log_rates and len(self.moves) == len(theta):
            return None
        return {name: log_rates[name].exp().item() if log_rates else None for name in self.moves}
