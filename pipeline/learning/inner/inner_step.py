"""An inner step, θ̂_{k+1} = θ̂_k - α u_k, forwards and back; u_k is the inner optimizer's direction.

Back, with λ the outer loss's derivative by θ̂, σ that by the optimizer's state s, and H_k the
support loss's Hessian at θ̂_k:

    (γ_k, σ_k) = (-α λ_{k+1}, σ_{k+1}) through (u_k, s_{k+1}) by (g_k, s_k)
    λ_k = λ_{k+1} + H_k γ_k
    ∂/∂α = - Σ_k ⟨λ_{k+1}, u_k⟩              for each tensor that moves (Meta-SGD)
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.learning.inner.inner_optimizers import InnerOptimizer, OptimizerState
from pipeline.learning.task_loss.loss_gradients import LossGradients
from pipeline.learning.task_loss.theta import Theta


Rates = Mapping[str, float | Tensor]  # α of each tensor that moves; the others stay at θ (ANIL)


@dataclass(frozen=True)
class Descent:
    """An inner step: what moves, how fast, and in which direction."""

    rates: Rates
    optimizer: InnerOptimizer

    def moved(
        self, at: LossGradients, state: OptimizerState, *, reuse: bool = False
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Return θ̂_{k+1}, detached, and s_{k+1}.

        With `reuse` θ̂_{k+1} is written over the directions: for SGD, over the gradients.
        """
        directions, state = self.optimizer.directions(self._moving(at.gradients), state)
        with torch.no_grad():
            moved = {
                n: _minus(at.theta[n], self.rates[n], u, out=u if reuse else None)
                for n, u in directions.items()
            }
        return {n: moved.get(n, value.detach()) for n, value in at.theta.items()}, state

    def pull_back(
        self, at: LossGradients, state: OptimizerState, cotangent: Theta, by_state: OptimizerState
    ) -> tuple[dict[str, Tensor], OptimizerState]:
        """Return (λ_k, σ_k) for (λ_{k+1}, σ_{k+1}); frees the graph.

        If all tensors have one α, it is multiplied in after the product with H_k, where it costs
        nothing; both σ are then in units of -α, else in units of -1.
        """
        common = self._common()
        by_direction = self._moving(cotangent)
        if common is None:
            by_direction = {n: self.rates[n] * value for n, value in by_direction.items()}
        by_gradient, by_state = self.optimizer.vjp(
            self._moving(at.gradients), state, by_direction, by_state
        )
        products = at.hessian_product(by_gradient)
        scale = -1.0 if common is None else -common
        return {
            n: torch.add(value, products[n], alpha=scale, out=products[n])
            if n in products
            else value
            for n, value in cotangent.items()
        }, by_state

    def slopes(
        self, at: LossGradients, state: OptimizerState, cotangent: Theta, names: Iterable[str]
    ) -> dict[str, Tensor]:
        """Return this step's part in ∂/∂α of the tensors of these names, summed over tasks."""
        directions, _ = self.optimizer.directions(self._moving(at.gradients), state)
        return {n: -torch.vdot(cotangent[n].flatten(), directions[n].flatten()) for n in names}

    def _moving(self, theta: Theta) -> dict[str, Tensor]:
        return {name: theta[name] for name in theta if name in self.rates}

    def _common(self) -> float | None:
        """Return the rate that all tensors share; null if there is none."""
        values = {rate for rate in self.rates.values() if not isinstance(rate, Tensor)}
        alone = len(values) == 1 and not any(isinstance(r, Tensor) for r in self.rates.values())
        return values.pop() if alone else None


def _minus(
    value: Tensor, rate: float | Tensor, direction: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """Return value - rate × direction, in one pass."""
    if isinstance(rate, Tensor):
        return torch.addcmul(value, direction, rate, value=-1, out=out)
    return torch.sub(value, direction, alpha=rate, out=out)
