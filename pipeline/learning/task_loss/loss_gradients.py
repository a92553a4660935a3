"""The gradients of tasks' losses at θ; with their graph, products with the losses' Hessian, too.

θ may be stacked, (N, ...) for N tasks. A task's loss depends on its own slice alone, so the
gradient of the losses' sum holds every task's own gradient.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge

from pipeline.learning.task_loss.theta import Theta
from pipeline.learning.task_loss.tied_rows import TiedRows
from pipeline.model.network.language_model import ROWS
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Batch


@dataclass(frozen=True)
class LossGradients:
    """The losses of N tasks at θ, with their gradients."""

    theta: dict[str, Tensor]  # leaves
    losses: Tensor  # (N,), nats per token, detached
    gradients: dict[str, Tensor]  # by the tensors of `moves`, detached
    graph: "_Graph | None" = None  # needed by `hessian_product`

    def hessian_product(self, vector: Theta) -> dict[str, Tensor]:
        """Return H v: by θ, the gradient of ⟨∇L, v⟩; tensors that have no part in it are left out.

        H is the Hessian of the losses by (θ, the tensors that v names). Frees the graph.
        """
        assert self.graph is not None  # `twice`
        return self.graph.second(vector)


@dataclass(frozen=True)
class _Graph:
    """The graph of gradients, the tied table's in its two parts; it does not hold their values."""

    rows: TiedRows
    leaves: dict[str, Tensor]
    parts: dict[str, GradientEdge]

    def second(self, cotangents: Theta) -> dict[str, Tensor]:
        """Return ∂⟨gradients, cotangents⟩ by the leaves that have a part in it."""
        by_part = self.rows.gather(cotangents)
        products = torch.autograd.grad(
            [self.parts[name] for name in by_part],
            list(self.leaves.values()),
            list(by_part.values()),
            allow_unused=True,
        )
        by_leaf = zip(self.leaves, products, strict=True)
        return self.rows.add_({n: product for n, product in by_leaf if product is not None})


def loss_gradients(
    learner: Learner, theta: Theta, batch: Batch, moves: Iterable[str], *, twice: bool = False
) -> LossGradients:
    """Return the losses and their gradients at θ.

    Args:
        learner: f.
        theta: θ; stacked if the batch holds more than one task.
        batch: the replies of the losses.
        moves: names of the tensors by which the losses are differentiated.
        twice: keep the gradients' graph, so that `hessian_product` can be called.
    """
    names = [*moves]
    theta = {n: value.detach().requires_grad_(twice or n in names) for n, value in theta.items()}
    rows = TiedRows(learner.model, batch.ids)
    leaves = rows.split(theta)
    names += [ROWS] if learner.model.table in names else []
    with learner.model.attending(fused=not twice):
        losses = learner.losses(leaves, batch)
        gradients = torch.autograd.grad(
            losses.sum(),
            [leaves[name] for name in names],
            create_graph=twice,
            materialize_grads=True,  # a head has no part in a loss without distractors
        )
    parts = dict(zip(names, gradients, strict=True))
    graph = None
    if twice:
        edges = {name: get_gradient_edge(gradient) for name, gradient in parts.items()}
        graph = _Graph(rows, leaves, edges)
    whole = rows.add_({name: gradient.detach() for name, gradient in parts.items()})
    return LossGradients(theta, losses.detach(), whole, graph)
