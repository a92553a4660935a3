"""GPT-2's GELU, with its first and second derivative by hand.

Notation: k = √(2/π), c = 0.044715, a = |x|, p = 1 + 3c x². The tanh form becomes a sigmoid by
½ (1 + tanh z) = σ(2 z):

    f   = x s,  s = σ(2k (x + c x³))
    f'  = s + 2k s (1 - s) x p
    f'' = 4k v (p (2 - k (1 - 2 e) a p) - 1),  v = e (1 - e),  e = σ(-2k (a + c a³))

v equals s (1 - s). It is computed by e because 1 - s loses digits where s is near 1, and f''
multiplies that error by hundreds. s is kept from the forward pass: a CPU computes σ three times as
fast as tanh. With g the cotangent of f and u the cotangent of g f'(x), the second backward pass
gives u f' to g and u g f'' to x. |x| may be up to 10⁷.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from pipeline.model.derivatives.twice_differentiable import TwiceDifferentiable


_K = math.sqrt(2 / math.pi)
_C = 0.044715


class Gelu(TwiceDifferentiable):
    """The tanh form of GELU: by hand where it may be differentiated twice, else torch's kernel."""

    def forward(self, x: Tensor) -> Tensor:
        """Return f(x), of the shape of `x`."""
        if self.twice and torch.is_grad_enabled():
            return gelu(x)
        return F.gelu(x, approximate="tanh")


def gelu(x: Tensor) -> Tensor:
    """Return f(x), of the shape of `x`; differentiable twice."""
    value: Tensor = _Gelu.apply(x)
    return value


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        wide = _wide(x)
        s = _sigmoid(wide, 2 * _K)
        ctx.save_for_backward(x, s)
        return (wide * s).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> Tensor:
        gradient: Tensor = _Gradient.apply(*ctx.saved_tensors, cotangent)
        return gradient


class _Gradient(torch.autograd.Function):
    """g f'(x) as a function of x and g. s is kept from the forward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, s: Tensor, cotangent: Tensor) -> Tensor:
        ctx.save_for_backward(x, s, cotangent)
        wide = _wide(x)
        w = torch.addcmul(wide, wide * wide, wide, value=3 * _C)  # x p
        return _slope(w, _spread(s), s).mul_(cotangent).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        x, s, cotangent = ctx.saved_tensors
        wide = _wide(x)
        a, p = wide.abs(), (wide * wide).mul_(3 * _C).add_(1)
        e = _sigmoid(a, -2 * _K)
        v = _spread(e)
        by_cotangent = _slope(wide * p, v, s).mul_(u)
        a.mul_(p)
        by_x = a.addcmul_(e, a, value=-2).mul_(-4 * _K * _K).add_(8 * _K)
        by_x.mul_(p).sub_(4 * _K).mul_(v).mul_(cotangent).mul_(u)
        return by_x.to(x.dtype), None, by_cotangent.to(cotangent.dtype)


def _sigmoid(x: Tensor, scale: float) -> Tensor:
    """Return σ(scale (x + c x³))."""
    return torch.addcmul(x, x * x, x, value=_C).mul_(scale).sigmoid_()


def _slope(w: Tensor, v: Tensor, s: Tensor) -> Tensor:
    """Return f' = s + 2k v w. It overwrites `w`."""
    return torch.add(s, w.mul_(v), alpha=2 * _K, out=w)


def _spread(s: Tensor) -> Tensor:
    """Return s (1 - s)."""
    return torch.addcmul(s, s, s, value=-1)


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
