"""Algorithms 1 and 2 as one function: they differ only in which tensors are θ.

θ: `theta`, what the outer loop learns (all of f, or Φ). α: `inner_lr`. β: `outer_lr`.
K examples: the support set. Eq. 1's sum over tasks is a mean here, as in PAML: Adam does not see
the factor, and clipping then does not depend on the number of tasks.
"""

from collections.abc import Sequence
from math import isfinite
from typing import cast

import torch
from torch import Tensor

from pipeline.errors import DivergedError
from pipeline.learning.inner.adapt import stacked
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.inner.task_batch import TaskBatch, collate_group, groups_of
from pipeline.learning.meta.outer_gradient import (
    OuterGradient,
    Sweep,
    outer_gradient,
    reptile_gradient,
)
from pipeline.learning.task_loss.accumulate import accumulate
from pipeline.learning.task_loss.episodes import Episode
from pipeline.learning.task_loss.theta import NOTHING, Theta
from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.history import DialogueStep
from pipeline.model.network.learner import Learner
from pipeline.processes.over_threads import ALONE, TaskThreads


def meta_gradient(
    learner: Learner,
    theta: Theta,
    episodes: Sequence[Episode],
    inner: InnerLoop,
    *,
    log_rates: Theta = NOTHING,
    threads: TaskThreads = ALONE,
) -> DialogueStep:
    """Add the outer gradient of a batch of tasks to `.grad` (Alg. 1, lines 4-8).

    `exact` differentiates through the inner steps, `first_order` takes ∇L at θ̂ for ∇L at θ, and
    `reptile` takes (θ - θ̂)/α after inner steps on the support and then the query set. Memory holds
    the graphs of `inner.tasks_at_once` tasks for each thread.

    Args:
        learner: f.
        theta: θ, leaves.
        episodes: the tasks.
        inner: the inner loop.
        log_rates: log α by tensor, leaves, if the rates are learned.
        threads: take the tasks.

    Raises:
        ModelError: `exact` with an attention that has no second derivative.
        DivergedError: a task's loss is not finite.
    """
    if inner.kind == "exact":
        learner.model.require_twice_differentiable()
    descent = inner.descent(log_rates)
    figures: list[tuple[Tensor, Tensor, Tensor]] = []

    def of_group(group: Sequence[Episode]) -> OuterGradient:
        tasks = collate_group(learner, group, inner.steps)
        part = _outer_gradient(learner, stacked(theta, len(group)), tasks, descent, inner)
        _refuse_not_finite(group, part.support_losses, part.outer_losses)
        return part

    groups, share = groups_of(learner, episodes, inner.tasks_at_once), 1 / len(episodes)
    for part in threads.map(of_group, groups):  # line 4: for all T_i
        num_tasks = len(part.outer_losses)
        accumulate(theta, part.by_theta, num_tasks=num_tasks, weight=share)  # line 8: Σ over T_i
        by_log = {n: cast("Tensor", descent.rates[n]) * slope for n, slope in part.by_rate.items()}
        accumulate(log_rates, by_log, weight=share)
        figures.append((part.support_losses, part.outer_losses, part.changes))
        del part  # its gradient is added up
    return _step_of(learner, episodes, inner, figures)


def _outer_gradient(
    learner: Learner, theta: Theta, tasks: TaskBatch, descent: Descent, inner: InnerLoop
) -> OuterGradient:
    if inner.kind == "reptile":
        return reptile_gradient(learner, theta, tasks, descent)
    sweep = Sweep(inner.kind == "exact", inner.recompute, inner.support_loss)
    return outer_gradient(learner, theta, tasks, descent, sweep=sweep)


def _step_of(
    learner: Learner,
    episodes: Sequence[Episode],
    inner: InnerLoop,
    figures: Sequence[tuple[Tensor, Tensor, Tensor]],
) -> DialogueStep:
    """Average the groups' (support losses, outer losses, ‖θ̂ - θ‖), each (N,), over all tasks."""
    support_losses, outer_losses, changes = (
        torch.cat(column) for column in zip(*figures, strict=True)
    )
    queried = sum(len(piece.spans) for episode in episodes for piece in episode.query)
    replies = queried + sum(len(piece.spans) for episode in episodes for piece in episode.support)
    costs = (StepCost.meta(learner, episode, inner.steps, inner.kind) for episode in episodes)
    return DialogueStep(
        inner_loss=support_losses.mean().item(),
        outer_loss=outer_losses.mean().item(),
        inner_change=changes.mean().item(),
        replies=replies,
        outer_replies=replies if inner.support_loss else queried,
        cost=sum(costs, StepCost.zero()),
    )


def _refuse_not_finite(episodes: Sequence[Episode], *losses: Tensor) -> None:
    """Name the first task of which a loss, (N,), is not finite."""
    for of_each in losses:
        for episode, loss in zip(episodes, of_each.tolist(), strict=True):
            if not isfinite(loss):
                raise DivergedError(
                    f"task {episode.task_id}: a loss is {loss}; lower inner_lr or outer_lr"
                )
