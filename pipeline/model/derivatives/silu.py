"""SiLU, the activation of gated MLPs, with its second derivative by hand.

Notation: s = σ(x).

    f   = x s
    f'  = s (1 + x (1 - s))
    f'' = s (1 - s) (2 + x (1 - 2 s))

The value and g f' are torch's own kernels. Autograd's way to f'' keeps five tensors of the size of
x, and passes over a dozen. With g the cotangent of f and u the cotangent of g f'(x), the second
backward pass gives u f' to g and u g f'' to x.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pipeline.model.derivatives.twice_differentiable import TwiceDifferentiable


class Silu(TwiceDifferentiable):
    """SiLU: by hand where it may be differentiated twice, else torch's kernel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x), of the shape of `x`."""
        return silu(x) if self.twice and torch.is_grad_enabled() else F.silu(x)


def silu(x: Tensor) -> Tensor:
    """Return f(x), of the shape of `x`; differentiable twice."""
    value: Tensor = _Silu.apply(x)
    return value


class _Silu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return F.silu(x)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        gradient: Tensor = _Gradient.apply(*ctx.saved_tensors, cotangent)
        return gradient


class _Gradient(torch.autograd.Function):
    """g f'(x) as a function of x and g."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cotangent: Tensor) -> Tensor:
        ctx.save_for_backward(x, cotangent)
        return torch.ops.aten.silu_backward(cotangent, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor]:
        x, cotangent = ctx.saved_tensors
        wide = x if x.dtype == torch.float64 else x.float()
        s = wide.sigmoid()
        by_x = torch.addcmul(wide, wide, s, value=-2).add_(2)
        by_x.mul_(torch.addcmul(s, s, s, value=-1)).mul_(cotangent).mul_(u)
        return by_x.to(x.dtype), torch.ops.aten.silu_backward(u, x)
