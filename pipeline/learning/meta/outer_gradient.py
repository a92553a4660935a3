"""∇_θ L_i(f_θ̂_i), back through the inner steps (Alg. 1 line 8, Alg. 2 line 9).

With λ_k the outer loss's gradient by θ̂_k, L' the query loss and H_k the support loss's Hessian at
θ̂_k, the chain rule through θ̂_{k+1} = θ̂_k - α ∇L(θ̂_k) is a sweep from the last step to the first:

    λ_K = ∇L'(θ̂_K)
    λ_k = (I - H_k α) λ_{k+1}         exact; first order leaves H_k out

and λ_0 is the answer. With a weight s of the support losses' mean, each before the step that learns
from it, s/K ∇L(θ̂_k) is added to λ_k. This is plain descent; `inner_step.py` has the formulas for
other directions than ∇L, and ∂/∂α.
Only the support loss is differentiated twice, so the query runs with fused attention, and the
graphs of two inner steps have nothing to do with each other: they may be kept, which is fastest,
or made again one at a time, which holds one graph whatever K is. Both are exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.learning.inner.adapt import adapt
from pipeline.learning.inner.inner_optimizers import OptimizerState
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.inner.task_batch import TaskBatch
from pipeline.learning.task_loss.distances import distances
from pipeline.learning.task_loss.loss_gradients import LossGradients, loss_gradients
from pipeline.learning.task_loss.theta import Theta
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Batch


@dataclass(frozen=True)
class OuterGradient:
    """The outer losses of N tasks and their gradients."""

    by_theta: dict[str, Tensor]  # λ_0, stacked as θ is
    by_rate: dict[str, Tensor]  # ∂/∂α of each learned rate, summed over tasks
    support_losses: Tensor  # at θ, (N,)
    outer_losses: Tensor  # (N,)
    changes: Tensor  # ‖θ̂ - θ‖, (N,)


@dataclass(frozen=True)
class Sweep:
    """How the way back is taken."""

    exact: bool  # second order
    recompute: bool  # make each inner step's graph when it is needed: least memory
    support_weight: float = 0.0  # s


class Visited(NamedTuple):
    """A point θ̂_k on the way of the inner loop."""

    at: LossGradients  # of the support losses at θ̂_k
    state: OptimizerState  # before the step from θ̂_k

    def without(self, moved: Theta) -> "Visited":
        """Return it without the gradients that θ̂_{k+1} was written over: their graph is enough."""
        kept = {n: value for n, value in self.at.gradients.items() if value is not moved[n]}
        return self._replace(at=replace(self.at, gradients=kept))


def outer_gradient(
    learner: Learner,
    theta: Theta,
    tasks: TaskBatch,
    descent: Descent,
    *,
    sweep: Sweep,
) -> OuterGradient:
    """Differentiate the outer losses, the query's after inner steps, by the θ before them.

    Args:
        learner: f.
        theta: θ, stacked if there is more than one task.
        tasks: support and query sets.
        descent: the inner step; α is learned where it is a tensor.
        sweep: how the way back is taken.
    """
    learned = [name for name, rate in descent.rates.items() if isinstance(rate, Tensor)]
    share = sweep.support_weight / len(tasks.supports)
    looks_back = bool(sweep.exact or learned or share)
    path: list[Visited] = []
    if looks_back and not sweep.recompute:
        # The way back needs a gradient's graph, and its value only where that is used once more.
        reuse = not (learned or share)
        path = _path(learner, theta, tasks.supports, descent, sweep, reuse=reuse)
        theta_hat, _ = descent.moved(*path[-1], reuse=reuse)
        path[-1] = path[-1].without(theta_hat)
        support_losses = path[0].at.losses
    else:
        adapted = adapt(learner, theta, tasks.supports, descent)
        theta_hat, support_losses = adapted.theta_hat, adapted.support_losses
        del adapted
    last = loss_gradients(learner, theta_hat, tasks.query, theta)
    losses, cotangent = last.losses, last.gradients
    changes = distances(theta_hat, theta, tasks.query.num_tasks)
    del theta_hat, last  # memory is for one graph of the sweep
    by_rate: dict[str, Tensor] = {}
    by_state: OptimizerState = None
    for k in reversed(range(len(tasks.supports))) if looks_back else ():
        at, state = path.pop() if path else _again(learner, theta, tasks, descent, k, sweep)
        if learned:
            for name, slope in descent.slopes(at, state, cotangent, learned).items():
                by_rate[name] = by_rate.get(name, 0.0) + slope
        if sweep.exact:
            cotangent, by_state = descent.pull_back(at, state, cotangent, by_state)
        if share:
            losses = losses + share * at.losses
            cotangent = _sum(cotangent, at.gradients, share)
        del at, state  # before the graph of the step before is made
    return OuterGradient(cotangent, by_rate, support_losses, losses, changes)


def _path(
    learner: Learner,
    theta: Theta,
    supports: Sequence[Batch],
    descent: Descent,
    sweep: Sweep,
    *,
    reuse: bool,
) -> list[Visited]:
    """Return the inner steps from θ on, each with its graph; `reuse` as in `Descent.moved`."""
    path: list[Visited] = []
    here, state = theta, None
    for support in supports:
        if path:
            here, state = descent.moved(*path[-1], reuse=reuse)
            path[-1] = path[-1].without(here)
        path.append(Visited(_look(learner, here, support, descent, sweep), state))
    return path


def _look(
    learner: Learner, theta: Theta, support: Batch, descent: Descent, sweep: Sweep
) -> LossGradients:
    names = theta if sweep.support_weight else descent.rates
    return loss_gradients(learner, theta, support, names, twice=sweep.exact)


def _sum(
    one: Mapping[str, Tensor], other: Mapping[str, Tensor], weight: float
) -> dict[str, Tensor]:
    return {name: torch.add(value, other[name], alpha=weight) for name, value in one.items()}


def _again(
    learner: Learner, theta: Theta, tasks: TaskBatch, descent: Descent, k: int, sweep: Sweep
) -> Visited:
    """Make the graph of the step from θ̂_k once more, with the steps from θ to θ̂_k before it."""
    here, state = theta, None
    if k:
        adapted = adapt(learner, theta, tasks.supports[:k], descent)
        here, state = adapted.theta_hat, adapted.state
    return Visited(_look(learner, here, tasks.supports[k], descent, sweep), state)


def reptile_gradient(
    learner: Learner, theta: Theta, tasks: TaskBatch, descent: Descent
) -> OuterGradient:
    """Return (θ - θ̂)/α, θ̂ after the steps on the support sets and one more on the query sets."""
    adapted = adapt(learner, theta, tasks.supports, descent)
    last = loss_gradients(learner, adapted.theta_hat, tasks.query, descent.rates)
    end, _ = descent.moved(last, adapted.state, reuse=True)
    return OuterGradient(
        {name: (theta[name] - end[name]) / rate for name, rate in descent.rates.items()},
        {},
        adapted.support_losses,
        last.losses,
        distances(adapted.theta_hat, theta, tasks.query.num_tasks),
    )
