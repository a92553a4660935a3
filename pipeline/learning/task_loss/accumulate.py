"""Gradients as optimizers take them: added up in the leaves' `.grad`."""

from collections.abc import Mapping

from torch import Tensor


def accumulate(
    theta: Mapping[str, Tensor],
    gradient: Mapping[str, Tensor],
    *,
    num_tasks: int = 1,
    weight: float = 1.0,
) -> None:
    """Add weight × the sum over tasks of `gradient` to the leaves' `.grad`.

    A tensor of `gradient` may become a leaf's `.grad` itself: do not use it afterwards.

    Args:
        theta: the leaves.
        gradient: by name, stacked, (N, ...), if there are N > 1 tasks.
        num_tasks: N.
        weight: of every task's gradient.
    """
    for name, value in gradient.items():
        total = value.sum(0) if num_tasks > 1 else value
        leaf = theta[name]
        if leaf.grad is not None:
            leaf.grad.add_(total, alpha=weight)
        else:
            leaf.grad = total if weight == 1 else total.mul_(weight)
