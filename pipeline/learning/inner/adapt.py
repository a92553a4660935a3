"""The inner loop: θ̂_i = θ - α ∇_θ L_i(f_θ) (Alg. 1 lines 5-6, Alg. 2 lines 6-7)."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from pipeline.learning.inner.inner_optimizers import OptimizerState
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.task_loss.loss_gradients import loss_gradients
from pipeline.learning.task_loss.theta import Theta
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Batch


@dataclass(frozen=True)
class AdaptedTasks:
    """θ̂ of N tasks, detached, and the support losses before the first inner step."""

    theta_hat: dict[str, Tensor]  # stacked, (N, ...), as θ was
    support_losses: Tensor  # (N,), nats per token
    state: OptimizerState  # for another step


def adapt(
    learner: Learner, theta: Theta, supports: Sequence[Batch], descent: Descent
) -> AdaptedTasks:
    """Take an inner step on each of `supports` in turn (at least one); a pure function of θ."""
    theta_hat, losses, state = _step(learner, theta, supports[0], descent, None)
    for support in supports[1:]:
        theta_hat, _, state = _step(learner, theta_hat, support, descent, state)
    return AdaptedTasks(theta_hat, losses, state)


def _step(
    learner: Learner, theta: Theta, support: Batch, descent: Descent, state: OptimizerState
) -> tuple[dict[str, Tensor], Tensor, OptimizerState]:
    """Return θ̂_{k+1}, the losses at θ̂_k, and s_{k+1}; θ̂_{k+1} takes the gradients' memory."""
    at = loss_gradients(learner, theta, support, descent.rates)
    theta_hat, state = descent.moved(at, state, reuse=True)
    return theta_hat, at.losses, state


def stacked(theta: Theta, num_tasks: int) -> dict[str, Tensor]:
    """Return θ for a pass over N tasks: as it is for one task, else (N, ...), nothing copied."""
    if num_tasks == 1:
        return {name: value.detach() for name, value in theta.items()}
    return {name: value.detach().expand(num_tasks, *value.shape) for name, value in theta.items()}
