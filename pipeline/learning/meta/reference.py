"""Algorithms 1 and 2 as the paper prints them. Read this file first.

Both algorithms are one function, because they differ only in which tensors are θ. In Algorithm 1 θ
is all of f. In Algorithm 2 θ is Φ, and `loss` holds the fixed φ. The comments give the line
numbers of Algorithm 1. From line 2 on, Algorithm 2's are greater by one, for its line 2 fixes φ.

`loss(theta, batch)` returns L_i(f_θ), a scalar with a graph: `torch.func.functional_call` of any
module, for example. Autograd does the rest. No stage uses this file: the tests compare `maml.py`
with it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.learning.task_loss.theta import Theta


Batch = Any  # whatever `loss` takes
Loss = Callable[[Theta, Batch], Tensor]
SupportAndQuery = tuple[Sequence[Batch], Batch]  # a task: a support set per inner step, a query set


def maml(
    start: Theta,
    sample_tasks: Callable[[int], Sequence[SupportAndQuery]],
    loss: Loss,
    alpha: float,
    beta: float,
    steps: int,
) -> Theta:
    """Return θ after so many outer steps of plain gradient descent."""
    theta = {n: value.detach().clone().requires_grad_() for n, value in start.items()}  # line 1
    for step in range(steps):  # line 2: while not done
        tasks = sample_tasks(step)  # line 3: sample batch of tasks T_i ~ p(T)
        total = outer_loss(theta, tasks, loss, alpha)
        gradients = torch.autograd.grad(total, list(theta.values()))
        theta = {  # line 8: θ ← θ - β ∇_θ Σ L_i(f_θ̂_i)
            name: (value - beta * gradient).detach().requires_grad_()
            for (name, value), gradient in zip(theta.items(), gradients, strict=True)
        }
    return theta


def outer_loss(
    theta: Theta,
    tasks: Sequence[SupportAndQuery],
    loss: Loss,
    alpha: float,
    *,
    exact: bool = True,
) -> Tensor:
    """Return line 8's sum over tasks, as a mean, with its graph."""
    losses = []
    for supports, query in tasks:  # line 4: for all T_i
        theta_hat = adapt(theta, supports, loss, alpha, exact=exact)  # lines 5, 6
        losses.append(loss(theta_hat, query))  # line 8: L_i(f_θ̂_i)
    return torch.stack(losses).mean()


def adapt(
    theta: Theta, supports: Sequence[Batch], loss: Loss, alpha: float, *, exact: bool = True
) -> Theta:
    """Return θ̂_i after an inner step on each support set; first order without `exact`."""
    for support in supports:
        gradients = torch.autograd.grad(  # line 5: ∇_θ L_i(f_θ) with respect to K examples
            loss(theta, support), list(theta.values()), create_graph=exact
        )
        theta = {  # line 6: θ̂_i = θ - α ∇_θ L_i(f_θ)
            name: value - alpha * gradient
            for (name, value), gradient in zip(theta.items(), gradients, strict=True)
        }
    return theta
