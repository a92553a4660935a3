"""The inner loop: θ̂_i = θ - α ∇_θ L_i(f_θ) (Alg. 1 lines 5-6, Alg. 2 lines 6-7)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.batching import Batch
from pipeline.model.learner import Learner


Theta = Mapping[str, Tensor]


@dataclass(frozen=True)
class Adapted:
    """θ̂ and the support loss (nats per token, detached) before the first inner step."""

    theta_hat: dict[str, Tensor]
    support_loss: Tensor


def adapt(
    learner: Learner, theta: Theta, support: Batch, *, lr: float, steps: int, exact: bool
) -> Adapted:
    """Take `steps` SGD steps of size `lr` on the support set; a pure function of θ.

    Args:
        learner: f.
        theta: θ, leaves or any tensors that require a gradient.
        support: the support set; every step sees all of it.
        lr: α.
        steps: inner steps.
        exact: keep the graph, so that ∇_θ of a later loss goes through these steps (second
            order). Otherwise θ̂'s dependence on θ through the gradients is cut (first order).
    """
    theta_hat = dict(theta)
    support_loss = torch.zeros(())
    for step in range(steps):
        loss = learner.loss(theta_hat, support)
        gradients = torch.autograd.grad(loss, list(theta_hat.values()), create_graph=exact)
        theta_hat = {
            name: value - lr * gradient
            for (name, value), gradient in zip(theta_hat.items(), gradients, strict=True)
        }
        if step == 0:
            support_loss = loss.detach()
    return Adapted(theta_hat, support_loss)


def distance(theta: Theta, other: Theta) -> Tensor:
    """Return ‖θ - θ'‖, the Euclidean norm over all tensors together."""
    squares = [(theta[name].detach() - other[name].detach()).pow(2).sum() for name in theta]
    return torch.stack(squares).sum().sqrt()
