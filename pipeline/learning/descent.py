"""An inner step's θ̂_{k+1} = θ̂_k - α u_k, forwards and back; u_k is the inner optimizer's way.

Back, with λ the outer loss's gradient by θ̂, σ that by the optimizer's state s, and H_k the support
loss's Hessian at θ̂_k:

    (γ_k, σ_k) = (-α λ_{k+1}, σ_{k+1}) through (u_k, s_{k+1}) by (g_k, s_k)
    λ_k = λ_{k+1} + H_k γ_k
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.learning.inner_optimizers import InnerOptimizer, State
from pipeline.learning.inner_step import InnerStep, Theta


Rates = Mapping[str, float | Tensor]  # α of each tensor that moves; the others stay at θ (ANIL)


@dataclass(frozen=True)
class Descent:
    """What moves, how fast, and which way."""

    rates: Rates
    optimizer: InnerOptimizer

    def moved(
        self, step: InnerStep, state: State, *, reuse: bool = False
    ) -> tuple[dict[str, Tensor], State]:
        """Return θ̂_{k+1}, detached, and s_{k+1}; `reuse` writes it where the gradients were."""
        gradients = {n: g for n, g in step.gradients.items() if n in self.rates}
        ways, state = self.optimizer.ways(gradients, state)
        with torch.no_grad():
            moved = {
                n: _minus(step.theta[n], self.rates[n], u, out=u if reuse else None)
                for n, u in ways.items()
            }
        return {n: moved.get(n, value.detach()) for n, value in step.theta.items()}, state

    def pull_back(
        self, step: InnerStep, state: State, cotangent: Theta, by_state: State
    ) -> tuple[dict[str, Tensor], State]:
        """Return (λ_k, σ_k) for (λ_{k+1}, σ_{k+1}); frees the step's graph.

        Both σ are in units of -α where all tensors have one α: it need not be multiplied in before.
        """
        common = self._common()
        gradients = {n: g for n, g in step.gradients.items() if n in self.rates}
        by_way = {n: cotangent[n] for n in gradients}
        if common is None:
            by_way = {n: self.rates[n] * value for n, value in by_way.items()}
        by_gradient, by_state = self.optimizer.back(gradients, state, by_way, by_state)
        products = step.hessian_product(by_gradient)
        scale = -1.0 if common is None else -common
        return {
            n: torch.add(value, products[n], alpha=scale, out=products[n])
            if n in products
            else value
            for n, value in cotangent.items()
        }, by_state

    def _common(self) -> float | None:
        """Return the one rate of all, if there is one."""
        values = {rate for rate in self.rates.values() if not isinstance(rate, Tensor)}
        alone = len(values) == 1 and not any(isinstance(r, Tensor) for r in self.rates.values())
        return values.pop() if alone else None


def _minus(
    value: Tensor, rate: float | Tensor, way: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """Return value - rate × way, in one pass."""
    if isinstance(rate, Tensor):
        return torch.addcmul(value, way, rate, value=-1, out=out)
    return torch.sub(value, way, alpha=rate, out=out)
