"""The inner loop: θ̂_i = θ - α ∇_θ L_i(f_θ) (Alg. 1 lines 5-6, Alg. 2 lines 6-7).

θ may be stacked, (N, ...) for N tasks: since a task's loss depends on its own slice alone, the
gradient of the losses' sum holds every task's own gradient.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.learning.tied_rows import TiedRows
from pipeline.model.batching import Batch
from pipeline.model.language_model import ROWS, WTE
from pipeline.model.learner import Learner


_BLOCK = 1 << 17  # numbers

Theta = Mapping[str, Tensor]
Rates = Mapping[str, float | Tensor]  # α of each tensor that moves; the others stay at θ (ANIL)


@dataclass(frozen=True)
class InnerStep:
    """One step of gradient descent, as a function that can be looked back on."""

    theta: dict[str, Tensor]  # θ̂_k, leaves
    losses: Tensor  # of each task there, (N,), nats per token, detached
    gradients: dict[str, Tensor]  # of what was asked for, at least all that moves; detached
    graph: "_Graph | None" = None  # what `pull_back` needs

    def moved(self, rates: Rates, *, reuse: bool = False) -> dict[str, Tensor]:
        """Return θ̂_{k+1}, detached: θ̂_k - α ∇L; `reuse` writes it where the gradients were."""
        with torch.no_grad():
            steps = {
                n: _minus(self.theta[n], rates[n], g, out=g if reuse else None)
                for n, g in self.gradients.items()
                if n in rates
            }
        return {name: steps.get(name, value.detach()) for name, value in self.theta.items()}

    def pull_back(self, cotangent: Theta, rates: Rates) -> dict[str, Tensor]:
        """Return (I - Hα) λ: what a gradient by θ̂_{k+1} is by θ̂_k, through this step.

        H is the Hessian of the support losses by (θ̂_k, what moves). Frees the step's graph.
        """
        assert self.graph is not None  # `twice`
        common = _common(rates)
        moved = {n: cotangent[n] for n in self.gradients if n in rates}
        if common is None:
            moved = {n: rates[n] * value for n, value in moved.items()}
        products = self.graph.second(moved)
        scale = 1.0 if common is None else common
        return {
            name: torch.sub(cotangent[name], products[name], alpha=scale, out=products[name])
            if name in products
            else cotangent[name]
            for name in self.theta
        }


@dataclass(frozen=True)
class _Graph:
    """Gradients with their graph, the tied table's in its two parts."""

    rows: TiedRows
    leaves: dict[str, Tensor]
    parts: dict[str, Tensor]

    def second(self, cotangents: Theta) -> dict[str, Tensor]:
        """Return ∂⟨gradients, cotangents⟩ by the leaves; what has no part in it is left out."""
        by_part = self.rows.gather(cotangents)
        products = torch.autograd.grad(
            [self.parts[name] for name in by_part],
            list(self.leaves.values()),
            list(by_part.values()),
            allow_unused=True,
        )
        found = zip(self.leaves, products, strict=True)
        return self.rows.add_({n: p for n, p in found if p is not None})


def inner_step(
    learner: Learner, theta: Theta, batch: Batch, moves: Iterable[str], *, twice: bool = False
) -> InnerStep:
    """Return the losses and their gradients at θ.

    Args:
        learner: f.
        theta: θ̂_k; stacked if the batch holds more than one task.
        batch: what the losses are of.
        moves: names of the tensors whose gradients are asked for.
        twice: keep the gradients' graph, so that `pull_back` can be called.
    """
    names = [*moves]
    theta = {n: value.detach().requires_grad_(twice or n in names) for n, value in theta.items()}
    rows = TiedRows(learner.model, batch.ids)
    leaves = rows.split(theta)
    names += [ROWS] if WTE in names else []
    with learner.model.attending(fused=not twice):
        losses = learner.losses(leaves, batch)
        gradients = torch.autograd.grad(
            losses.sum(),
            [leaves[name] for name in names],
            create_graph=twice,
            materialize_grads=True,  # a head has no part in a loss without distractors
        )
    parts = dict(zip(names, gradients, strict=True))
    graph = _Graph(rows, leaves, parts) if twice else None
    whole = rows.add_({name: gradient.detach() for name, gradient in parts.items()})
    return InnerStep(theta, losses.detach(), whole, graph)


@dataclass(frozen=True)
class Adapted:
    """θ̂, detached, and the support losses before the first inner step, (N,), nats per token."""

    theta_hat: dict[str, Tensor]
    support_losses: Tensor


def adapt(learner: Learner, theta: Theta, supports: Sequence[Batch], *, rates: Rates) -> Adapted:
    """Take an inner step on each of `supports` in turn (at least one); a pure function of θ."""
    theta_hat, losses = _step(learner, theta, supports[0], rates)
    for support in supports[1:]:
        theta_hat, _ = _step(learner, theta_hat, support, rates)
    return Adapted(theta_hat, losses)


def _step(
    learner: Learner, theta: Theta, support: Batch, rates: Rates
) -> tuple[dict[str, Tensor], Tensor]:
    """Return θ̂_{k+1}, written where the gradients were, and the losses at θ̂_k."""
    step = inner_step(learner, theta, support, rates)
    return step.moved(rates, reuse=True), step.losses


def _minus(
    value: Tensor, rate: float | Tensor, gradient: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """Return value - rate × gradient, in one pass."""
    if isinstance(rate, Tensor):
        return torch.addcmul(value, gradient, rate, value=-1, out=out)
    return torch.sub(value, gradient, alpha=rate, out=out)


def _common(rates: Rates) -> float | None:
    """Return the one rate of all, if there is one: then it need not be multiplied in before."""
    values = {rate for rate in rates.values() if not isinstance(rate, Tensor)}
    alone = len(values) == 1 and not any(isinstance(rate, Tensor) for rate in rates.values())
    return values.pop() if alone else None


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
