"""The inner loop: θ̂_i = θ - α ∇_θ L_i(f_θ) (Alg. 1 lines 5-6, Alg. 2 lines 6-7)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.learning.descent import Descent
from pipeline.learning.inner_optimizers import State
from pipeline.learning.inner_step import Theta, inner_step
from pipeline.model.batching import Batch
from pipeline.model.learner import Learner


_BLOCK = 1 << 17  # numbers


@dataclass(frozen=True)
class Adapted:
    """θ̂, detached, and the support losses before the first inner step, (N,), nats per token."""

    theta_hat: dict[str, Tensor]
    support_losses: Tensor
    state: State  # of the inner optimizer, for another step


def adapt(learner: Learner, theta: Theta, supports: Sequence[Batch], descent: Descent) -> Adapted:
    """Take an inner step on each of `supports` in turn (at least one); a pure function of θ."""
    theta_hat, losses, state = _step(learner, theta, supports[0], descent, None)
    for support in supports[1:]:
        theta_hat, _, state = _step(learner, theta_hat, support, descent, state)
    return Adapted(theta_hat, losses, state)


def _step(
    learner: Learner, theta: Theta, support: Batch, descent: Descent, state: State
) -> tuple[dict[str, Tensor], Tensor, State]:
    """Return θ̂_{k+1}, written where the gradients were, the losses at θ̂_k and s_{k+1}."""
    step = inner_step(learner, theta, support, descent.rates)
    theta_hat, state = descent.moved(step, state, reuse=True)
    return theta_hat, step.losses, state


def stacked(theta: Theta, num_tasks: int) -> dict[str, Tensor]:
    """Return θ for a pass over so many tasks: as it is for one, else (N, ...), nothing copied."""
    if num_tasks == 1:
        return {name: value.detach() for name, value in theta.items()}
    return {name: value.detach().expand(num_tasks, *value.shape) for name, value in theta.items()}


def distances(theta: Theta, other: Theta, num_tasks: int = 1) -> Tensor:
    """Return ‖θ - θ'‖ of each task, (N,): the Euclidean norm over all tensors together."""
    norms = [
        torch.linalg.vector_norm(one - another, dim=1)
        for name in theta
        for one, another in zip(
            _blocks(theta[name], num_tasks), _blocks(other[name], num_tasks), strict=True
        )
    ]
    return torch.linalg.vector_norm(torch.stack(norms), dim=0)


def _blocks(value: Tensor, num_tasks: int) -> tuple[Tensor, ...]:
    """Return views (N, ...) so small that a difference stays in the processor's cache."""
    flat = value.detach().reshape(num_tasks, -1)
    return flat.split(_BLOCK, dim=1) if flat.shape[1] > _BLOCK else (flat,)
