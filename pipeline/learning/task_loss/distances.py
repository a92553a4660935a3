"""How far two θ are from each other."""

from collections.abc import Mapping

import torch
from torch import Tensor


_BLOCK = 1 << 17  # numbers


def distances(
    theta: Mapping[str, Tensor], other: Mapping[str, Tensor], num_tasks: int = 1
) -> Tensor:
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
