"""Algorithms 1 and 2 as one function: they differ only in which tensors are θ.

θ: `theta`, what the outer loop learns (all of f, or Φ). α: `inner_lr`. β: `outer_lr`.
K examples: the support set. Eq. 1's sum over tasks is a mean here, as in PAML: with Adam only
clipping tells them apart.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from pipeline.learning.cost import Cost
from pipeline.learning.episodes import Episode
from pipeline.learning.inner_loop import Theta, adapt, distance
from pipeline.learning.loop import StepReport
from pipeline.model.batching import Batch, collate
from pipeline.model.learner import Learner


MetaGradient = Literal["exact", "first_order", "reptile"]


def meta_gradient(
    learner: Learner,
    theta: Theta,
    episodes: Sequence[Episode],
    *,
    inner_lr: float,
    inner_steps: int,
    kind: MetaGradient,
) -> StepReport:
    """Add the outer gradient of a batch of tasks to `theta`'s `.grad` (Alg. 1, lines 4-8).

    `exact` differentiates through the inner steps, `first_order` takes ∇L at θ̂ for ∇L at θ, and
    `reptile` takes (θ - θ̂)/α after inner steps on the support and then the query set. Tasks are
    worked off one by one, so memory holds one task's graph.

    Raises:
        ModelError: `exact` with an attention that has no second derivative.
    """
    if kind == "exact":
        learner.model.require_twice_differentiable()
    support_losses, query_losses, changes = [], [], []
    cost = Cost.zero()
    for episode in episodes:  # line 4: for all T_i
        support = collate(episode.support, learner.device)
        query = collate(episode.query, learner.device)
        adapted = adapt(  # lines 5-6: θ̂_i
            learner, theta, support, lr=inner_lr, steps=inner_steps, exact=kind == "exact"
        )
        loss = learner.loss(adapted.theta_hat, query)  # L_i(f_θ̂_i)
        if kind == "reptile":
            _add_reptile(learner, theta, adapted.theta_hat, query, inner_lr, len(episodes))
        else:
            (loss / len(episodes)).backward()  # line 8: the gradients of the sum add up in θ.grad
        support_losses.append(adapted.support_loss)
        query_losses.append(loss.detach())
        changes.append(distance(adapted.theta_hat, theta))
        cost += Cost.meta(learner, support, query, inner_steps, kind)
    return StepReport(
        inner_loss=_mean(support_losses),
        outer_loss=_mean(query_losses),
        inner_change=_mean(changes),
        replies=sum(len(p.spans) for e in episodes for p in [*e.support, *e.query]),
        outer_replies=sum(len(p.spans) for e in episodes for p in e.query),
        cost=cost,
    )


def _add_reptile(
    learner: Learner, theta: Theta, theta_hat: Theta, query: Batch, lr: float, num_tasks: int
) -> None:
    """Add (θ - θ̂)/α / num_tasks, θ̂ after one more step, on the query set."""
    detached = {name: value.detach().requires_grad_() for name, value in theta_hat.items()}
    last = adapt(learner, detached, query, lr=lr, steps=1, exact=False).theta_hat
    for name, value in theta.items():
        pseudo = (value.detach() - last[name].detach()) / (lr * num_tasks)
        value.grad = pseudo if value.grad is None else value.grad + pseudo


def validate(
    learner: Learner, theta: Theta, episodes: Sequence[Episode], *, lr: float, steps: int
) -> tuple[float, float]:
    """Return the query sets' NLL before and after adaptation: nats per token, over all episodes.

    The same for every way of training, so that histories can be read side by side.
    """
    before = after = tokens = 0.0
    leaves = {name: value.detach().requires_grad_() for name, value in theta.items()}
    for episode in episodes:
        support = collate(episode.support, learner.device)
        query = collate(episode.query, learner.device)
        theta_hat = adapt(learner, leaves, support, lr=lr, steps=steps, exact=False).theta_hat
        with torch.no_grad():
            size = len(query.targets)
            before += learner.loss(leaves, query).item() * size
            after += learner.loss(theta_hat, query).item() * size
            tokens += size
    return before / tokens, after / tokens


def _mean(values: Sequence[Tensor]) -> float:
    return torch.stack(list(values)).mean().item()
