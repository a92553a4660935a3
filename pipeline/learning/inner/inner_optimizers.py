"""In which direction an inner step goes: the gradient's own, or Adam's (Kingma & Ba 2015).

Adam starts every task with moments of zero, as fine-tuning does. Its first direction is about
sign(g). The derivative of this direction by g is next to nothing where |g| is well above ε, and 1/ε
where g is 0, as for the down-projections at Eq. 2's start. So first order loses little in one step,
and exact may be huge.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


Gradients = Mapping[str, Tensor]  # by the tensors that move; stacked, (N, ...), if N > 1

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # torch.optim.Adam's, which fine-tuning takes


@dataclass(frozen=True)
class Moments:
    """Adam's running means of gradients and of their squares; or derivatives by them."""

    first: dict[str, Tensor]
    second: dict[str, Tensor]
    steps: int  # taken so far


OptimizerState = Moments | None  # None: of SGD, or before the first step


class InnerOptimizer(Protocol):
    """A function from (gradient g_k, state s_k) to (direction u_k, state s_{k+1})."""

    def directions(
        self, gradients: Gradients, state: OptimizerState, /
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Return u_k, like the gradients, and s_{k+1}, detached."""
        ...

    def vjp(
        self,
        gradients: Gradients,
        state: OptimizerState,
        by_direction: Gradients,
        by_state: OptimizerState,
        /,
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Return the derivatives by g_k and s_k, given those by u_k and s_{k+1} (None: zero)."""
        ...


class Sgd:
    """u = g (Alg. 1 line 6, Alg. 2 line 7): the gradients themselves, not copies."""

    def directions(
        self, gradients: Gradients, state: OptimizerState, /
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Return the gradients."""
        return dict(gradients), state

    def vjp(
        self,
        _gradients: Gradients,
        _state: OptimizerState,
        by_direction: Gradients,
        by_state: OptimizerState,
        /,
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Return the arguments; it does not read the gradients, which may be written over."""
        return dict(by_direction), by_state


class Adam:
    """u = m̂ / (√v̂ + ε), in tensors of its own."""

    def directions(
        self, gradients: Gradients, state: OptimizerState, /
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Return u and the moments after this step."""
        before = state or _zeros(gradients)
        results = {}
        with torch.no_grad():
            for n, gradient in gradients.items():
                results[n] = _adam(gradient, before.first[n], before.second[n], before.steps + 1)
        directions, first, second = _apart(results)
        return directions, Moments(first, second, before.steps + 1)

    def vjp(
        self,
        gradients: Gradients,
        state: OptimizerState,
        by_direction: Gradients,
        by_state: OptimizerState,
        /,
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Differentiate number by number."""
        before = state or _zeros(gradients)
        after = by_state or _zeros(gradients)
        results = {}
        for n, gradient in gradients.items():
            g, m, v = (
                value.detach().requires_grad_()
                for value in (gradient, before.first[n], before.second[n])
            )
            given = (by_direction[n], after.first[n], after.second[n])
            results[n] = torch.autograd.grad(_adam(g, m, v, before.steps + 1), (g, m, v), given)
        by_gradient, first, second = _apart(results)
        return by_gradient, Moments(first, second, before.steps)


def _apart(results: Mapping[str, Sequence[Tensor]]) -> Iterator[dict[str, Tensor]]:
    """Yield the first of each name's three tensors by name, then the second and the third."""
    return ({name: tensors[i] for name, tensors in results.items()} for i in range(3))


def _zeros(like: Gradients) -> Moments:
    zeros = {name: torch.zeros_like(value) for name, value in like.items()}
    return Moments(zeros, zeros, 0)


def _adam(
    gradient: Tensor, first: Tensor, second: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return u and the moments after `count` steps."""
    one, two = _BETAS
    first = one * first + (1 - one) * gradient
    second = two * second + (1 - two) * gradient.square()
    tiny = torch.finfo(second.dtype).tiny  # at 0 the root's derivative is infinite
    size = (second / (1 - two**count)).clamp_min(tiny).sqrt()
    return first / (1 - one**count) / (size + _EPSILON), first, second
