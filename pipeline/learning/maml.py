"""Algorithms 1 and 2 as one function: they differ only in which tensors are θ.

θ: `theta`, what the outer loop learns (all of f, or Φ). α: `inner_lr`. β: `outer_lr`.
K examples: the support set. Eq. 1's sum over tasks is a mean here, as in PAML: with Adam only
clipping tells them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor

from pipeline.learning.accumulate import accumulate
from pipeline.learning.cost import Cost
from pipeline.learning.descent import Descent
from pipeline.learning.episodes import Episode
from pipeline.learning.history import StepReport
from pipeline.learning.inner_loop import adapt, stacked
from pipeline.learning.inner_optimizers import Adam, Sgd
from pipeline.learning.inner_rates import InnerRates
from pipeline.learning.loss_gradients import Theta
from pipeline.learning.outer_gradient import (
    Outer,
    Sweep,
    Task,
    outer_gradient,
    reptile_gradient,
)
from pipeline.learning.task_threads import ALONE, TaskThreads
from pipeline.model.batching import Batch, collate_tasks
from pipeline.model.learner import Learner


MetaGradient = Literal["exact", "first_order", "reptile"]


@dataclass(frozen=True)
class Inner:
    """The inner loop and the way back through it."""

    rates: InnerRates  # α and what it moves
    steps: int  # on a task's support sets in turn
    kind: MetaGradient
    anneal: int = 0  # outer steps over which MAML++'s multi-step loss fades; 0: the last step's
    tasks_at_once: int = 1  # in one pass, where all that differs between tasks is Φ
    recompute: bool = False  # inner steps' graphs: least memory
    support_loss: float = 0.0  # weight of the support losses' mean in the outer loss
    optimizer: Literal["sgd", "adam"] = "sgd"  # fresh for every task

    def descent(self, logs: Theta) -> Descent:
        """Return how an inner step moves θ̂, given the learned log α if there are any."""
        optimizer = Sgd() if self.optimizer == "sgd" else Adam()
        return Descent(self.rates.rates(logs), optimizer)

    def weights(self, outer_step: int) -> tuple[float, ...]:
        """Return w_1 ... w_K: all equal at first, the last alone after `anneal` outer steps."""
        share = max(0.0, 1 - outer_step / self.anneal) / self.steps if self.anneal else 0.0
        return (*[share] * (self.steps - 1), 1 - share * (self.steps - 1))


def meta_gradient(
    learner: Learner,
    outer: Theta,
    episodes: Sequence[Episode],
    inner: Inner,
    *,
    step: int = 0,
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
        step: number of the outer step, for the multi-step loss.
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
        task = _collate(learner, group, inner.steps)
        return _task_gradient(learner, stacked(theta, len(group)), task, descent, inner, step)

    groups, share = _groups(learner, episodes, inner.tasks_at_once), 1 / len(episodes)
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
        cost=sum((_cost(learner, e, inner, step) for e in episodes), Cost.zero()),
    )


def _task_gradient(
    learner: Learner, theta: Theta, task: Task, descent: Descent, inner: Inner, step: int
) -> Outer:
    if inner.kind == "reptile":
        return reptile_gradient(learner, theta, task, descent)
    exact = inner.kind == "exact"
    sweep = Sweep(inner.weights(step), exact, inner.recompute, inner.support_loss)
    return outer_gradient(learner, theta, task, descent, sweep=sweep)


def _cost(learner: Learner, episode: Episode, inner: Inner, step: int) -> Cost:
    queries = sum(weight > 0 for weight in inner.weights(step))
    return Cost.meta(learner, episode, inner.steps, inner.kind, queries=queries)


def _groups(
    learner: Learner, episodes: Sequence[Episode], tasks_at_once: int
) -> list[Sequence[Episode]]:
    """Return tasks that share passes: those of like length, so that little is padded."""
    if tasks_at_once == 1 or not learner.stackable:
        return [[episode] for episode in episodes]
    ordered = sorted(episodes, key=lambda e: sum(len(p.ids) for p in [*e.support, *e.query]))
    starts = range(0, len(ordered), tasks_at_once)
    return [ordered[first : first + tasks_at_once] for first in starts]


def _collate(learner: Learner, episodes: Sequence[Episode], steps: int) -> Task:
    """Return the tasks' batches of each step; what several steps see is made once."""
    made: dict[tuple[int, ...], Batch] = {}
    supports = []
    for step in range(steps):
        turns = tuple(step % len(episode.supports) for episode in episodes)
        if turns not in made:
            pieces = [e.supports[turn] for e, turn in zip(episodes, turns, strict=True)]
            made[turns] = collate_tasks(pieces, learner.device)
        supports.append(made[turns])
    queries = collate_tasks([episode.query for episode in episodes], learner.device)
    return Task(tuple(supports), queries)


def validate(
    learner: Learner,
    outer: Theta,
    episodes: Sequence[Episode],
    inner: Inner,
    *,
    threads: TaskThreads = ALONE,
) -> tuple[float, float]:
    """Return the query sets' NLL before and after adaptation: nats per token, over all episodes.

    With plain SGD the same for every way of training, so that histories can be read side by side.
    """
    theta, logs = inner.rates.split(outer)
    descent = inner.descent(logs)

    def losses(group: Sequence[Episode]) -> tuple[float, float, int]:
        task = _collate(learner, group, inner.steps)
        start = stacked(theta, len(group))
        theta_hat = adapt(learner, start, task.supports, descent).theta_hat
        with torch.no_grad(), learner.model.attending(fused=True):
            before = learner.token_nll(start, task.query).sum().item()
            after = learner.token_nll(theta_hat, task.query).sum().item()
        return before, after, len(task.query.targets)

    found = threads.map(losses, _groups(learner, episodes, inner.tasks_at_once))
    before, after, tokens = (sum(column) for column in zip(*found, strict=True))
    return before / tokens, after / tokens
