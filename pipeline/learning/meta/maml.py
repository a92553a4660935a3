"""Algorithms 1 and 2 as one function: they differ only in which tensors are θ.

θ: `theta`, what the outer loop learns (all of f, or Φ). α: `inner_lr`. β: `outer_lr`.
K examples: the support set. Eq. 1's sum over tasks is a mean here, as in PAML: with Adam only
clipping tells them apart.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from pipeline.learning.data.episodes import Episode
from pipeline.learning.gradients.accumulate import accumulate
from pipeline.learning.gradients.loss_gradients import Theta
from pipeline.learning.inner.adapt import stacked
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.inner.task_batch import TaskBatch, collate_group, groups_of
from pipeline.learning.meta.outer_gradient import (
    Outer,
    Sweep,
    outer_gradient,
    reptile_gradient,
)
from pipeline.learning.parallel.over_threads import ALONE, TaskThreads
from pipeline.learning.training.cost import Cost
from pipeline.learning.training.history import StepReport
from pipeline.model.network.learner import Learner


def meta_gradient(
    learner: Learner,
    outer: Theta,
    episodes: Sequence[Episode],
    inner: InnerLoop,
    *,
    threads: TaskThreads = ALONE,
) -> StepReport:
    """Add the outer gradient of a batch of tasks to `.grad` (Alg. 1, lines 4-8).

    `exact` differentiates through the inner steps, `first_order` takes ∇L at θ̂ for ∇L at θ, and
    `reptile` takes (θ - θ̂)/α after inner steps on the support and then the query set. Memory holds
    the graphs of `inner.tasks_at_once` tasks for each thread.

    Args:
        learner: f.
        outer: leaves, as `inner.rates.start` names them.
        episodes: the tasks.
        inner: the inner loop.
        threads: who takes the tasks.

    Raises:
        ModelError: `exact` with an attention that has no second derivative.
    """
    if inner.kind == "exact":
        learner.model.require_twice_differentiable()
    theta, logs = inner.rates.split(outer)
    descent = inner.descent(logs)
    found: list[tuple[Tensor, Tensor, Tensor]] = []

    def outer_gradient_of(group: Sequence[Episode]) -> Outer:
        task = collate_group(learner, group, inner.steps)
        return _task_gradient(learner, stacked(theta, len(group)), task, descent, inner)

    groups, share = groups_of(learner, episodes, inner.tasks_at_once), 1 / len(episodes)
    for part in threads.map(outer_gradient_of, groups):  # line 4: for all T_i
        num_tasks = len(part.outer_losses)
        accumulate(theta, part.gradient, num_tasks=num_tasks, weight=share)  # line 8: Σ over T_i
        by_log = {n: cast("Tensor", descent.rates[n]) * slope for n, slope in part.by_rate.items()}
        accumulate(logs, by_log, weight=share)
        found.append((part.support_losses, part.outer_losses, part.changes))
        del part  # its gradient is added up
    support_losses, outer_losses, changes = (
        torch.cat(column) for column in zip(*found, strict=True)
    )
    queried = sum(len(p.spans) for e in episodes for p in e.query)
    replies = queried + sum(len(p.spans) for e in episodes for p in e.support)
    return StepReport(
        inner_loss=support_losses.mean().item(),
        outer_loss=outer_losses.mean().item(),
        inner_change=changes.mean().item(),
        replies=replies,
        outer_replies=replies if inner.support_loss else queried,
        cost=sum((Cost.meta(learner, e, inner.steps, inner.kind) for e in episodes), Cost.zero()),
    )


def _task_gradient(
    learner: Learner, theta: Theta, task: TaskBatch, descent: Descent, inner: InnerLoop
) -> Outer:
    if inner.kind == "reptile":
        return reptile_gradient(learner, theta, task, descent)
    sweep = Sweep(inner.kind == "exact", inner.recompute, inner.support_loss)
    return outer_gradient(learner, theta, task, descent, sweep=sweep)
