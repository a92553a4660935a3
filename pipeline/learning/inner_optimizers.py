"""Which way an inner step goes, given its gradient: the gradient's itself, or Adam's.

Adam starts every task with moments of zero, as fine-tuning does: the first step is about α sign(g),
whose derivative by g is next to nothing. Exact tells more than first order only from the second
step on, and where |g| is as small as Adam's ε.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor


Gradients = Mapping[str, Tensor]  # of what moves


@dataclass(frozen=True)
class Moments:
    """Adam's running means of gradients and of their squares, or what is differentiated by them."""

    first: dict[str, Tensor]
    second: dict[str, Tensor]
    steps: int  # taken so far


State = Moments | None  # None: of SGD, or before the first step


class InnerOptimizer(Protocol):
    """From a gradient g_k and a state s_k to a way u_k and a state s_{k+1}, and back again."""

    reads_gradients: ClassVar[bool]  # on the way back

    def ways(self, gradients: Gradients, state: State, /) -> tuple[dict[str, Tensor], State]:
        """Return u_k and s_{k+1}, detached."""
        ...

    def back(
        self, gradients: Gradients, state: State, by_way: Gradients, by_state: State, /
    ) -> tuple[dict[str, Tensor], State]:
        """Return what is by g_k and s_k, given what is by u_k and s_{k+1} (null: nothing is)."""
        ...


class Sgd:
    """u = g (Alg. 1 line 6, Alg. 2 line 7)."""

    reads_gradients: ClassVar[bool] = False

    def ways(self, gradients: Gradients, state: State, /) -> tuple[dict[str, Tensor], State]:
        """Return the gradients."""
        return dict(gradients), state

    def back(
        self, _gradients: Gradients, _state: State, by_way: Gradients, by_state: State, /
    ) -> tuple[dict[str, Tensor], State]:
        """Return what is by the way."""
        return dict(by_way), by_state


class Adam:
    """torch.optim.Adam's way, of its default β and ε, which fine-tuning has, too."""

    reads_gradients: ClassVar[bool] = True

    def ways(self, gradients: Gradients, state: State, /) -> tuple[dict[str, Tensor], State]:
        """Return m̂ / (√v̂ + ε), and the moments."""
        before = state or _zeros(gradients)
        found = {}
        with torch.no_grad():
            for n, gradient in gradients.items():
                found[n] = _adam(gradient, before.first[n], before.second[n], before.steps + 1)
        ways, first, second = ({n: those[i] for n, those in found.items()} for i in range(3))
        return ways, Moments(first, second, before.steps + 1)

    def back(
        self, gradients: Gradients, state: State, by_way: Gradients, by_state: State, /
    ) -> tuple[dict[str, Tensor], State]:
        """Differentiate number by number."""
        before = state or _zeros(gradients)
        after = by_state or _zeros(gradients)
        found = {}
        for n in gradients:
            given = (gradients[n], before.first[n], before.second[n])
            leaves = [value.detach().requires_grad_() for value in given]
            results = _adam(leaves[0], leaves[1], leaves[2], before.steps + 1)
            cotangents = (by_way[n], after.first[n], after.second[n])
            found[n] = torch.autograd.grad(results, leaves, cotangents)
        by_gradient, first, second = ({n: those[i] for n, those in found.items()} for i in range(3))
        return by_gradient, Moments(first, second, before.steps)


def _zeros(like: Gradients) -> Moments:
    zeros = {name: torch.zeros_like(value) for name, value in like.items()}
    return Moments(zeros, zeros, 0)


_BETAS, _EPSILON = (0.9, 0.999), 1e-8


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
