"""Negative log-likelihood over a large vocabulary, with its first and second derivative by hand.

The vocabulary's projection is where exact meta-learning loses its time: autograd's second
derivative of a cross-entropy goes over the (R, V) matrix a dozen times. With z = h Wᵀ beside the
special tokens' z_s, p = softmax([z, z_s]), y the targets' one-hot rows and g the cotangent:

    D   = g (p - y)                       gradient by the logits
    ∂h  = D_v W,  ∂W = D_vᵀ h,  ∂z_s = D_s

and for cotangents u_h, u_W, u_s of those three, with E = [u_h Wᵀ + h u_Wᵀ, u_s]:

    s   = Σ_v p E                         (R,)
    Z   = g p (E - s)                     gradient by the logits
    ∂g  = s - E[y],  ∂h = Z_v W + D_v u_W,  ∂W = Z_vᵀ h + D_vᵀ u_h,  ∂z_s = Z_s

R predicted tokens, V plain entries, S special ones, H width.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def tied_nll(hidden: Tensor, table: Tensor, special: Tensor, targets: Tensor) -> Tensor:
    """Return -log p(target) in nats, (R,); differentiable twice.

    Args:
        hidden: h, (R, H).
        table: W, the plain rows of the tied table, (V, H).
        special: the special tokens' logits, (R, S).
        targets: ids from 0 to V + S - 1, (R,).
    """
    nll: Tensor = _TiedNll.apply(hidden, table, special, targets)
    return nll


class _TiedNll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, table: Tensor, special: Tensor, targets: Tensor
    ) -> Tensor:
        product = _Product.here(hidden)
        logits = hidden.new_empty(len(hidden), len(table) + special.shape[1])  # (R, V + S)
        product.into(logits[:, : len(table)], hidden, table.T)
        logits[:, len(table) :] = special
        log_p = logits.log_softmax(-1)
        nll = -log_p.gather(-1, targets[:, None]).squeeze(-1)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(hidden, table, special, targets, log_p.exp_())
        ctx.product = product
        return nll

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        table_moves = ctx.needs_input_grad[1]
        return *_Gradient.apply(*ctx.saved_tensors, cotangent, ctx.product, table_moves), None


class _Gradient(torch.autograd.Function):
    """(∂h, ∂W, ∂z_s) as a function of h, W, z_s and g; p is given, since it was computed."""

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd's functions know no keywords
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        special: Tensor,  # noqa: ARG004 - an input, so that its second derivative has a place
        targets: Tensor,
        p: Tensor,
        cotangent: Tensor,
        product: "_Product",
        table_moves: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        size = table.shape[0]
        by_logits = p * cotangent[:, None]  # D
        by_logits.scatter_add_(-1, targets[:, None], -cotangent[:, None])
        plain = by_logits[:, :size]
        by_table = product(plain.T, hidden) if table_moves else None
        kept = by_logits if table_moves else None
        ctx.save_for_backward(hidden, table, targets, p, cotangent, kept)
        ctx.product = product
        ctx.set_materialize_grads(False)
        return product(plain, table), by_table, by_logits[:, size:].clone()

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, u_hidden: Tensor | None, u_table: Tensor | None, u_special: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        hidden, table, targets, p, cotangent, by_logits = ctx.saved_tensors
        product, size = ctx.product, table.shape[0]
        change = _change(hidden, table, p, product, (u_hidden, u_table, u_special))
        mean = torch.linalg.vecdot(p, change)  # s
        by_cotangent = mean - change.gather(-1, targets[:, None]).squeeze(-1)
        change -= mean[:, None]
        change *= p
        change *= cotangent[:, None]  # Z
        plain = change[:, :size]
        by_hidden = product(plain, table)
        if u_table is not None:
            by_hidden += product(by_logits[:, :size], u_table)
        by_table = None
        if ctx.needs_input_grad[1]:
            by_table = product(plain.T, hidden)
            if u_hidden is not None:
                by_table += product(by_logits[:, :size].T, u_hidden)
        return by_hidden, by_table, change[:, size:], None, None, by_cotangent, None, None


def _change(
    hidden: Tensor,
    table: Tensor,
    p: Tensor,
    product: "_Product",
    cotangents: tuple[Tensor | None, Tensor | None, Tensor | None],
) -> Tensor:
    """Return E, (R, V + S)."""
    u_hidden, u_table, u_special = cotangents
    change, size = torch.empty_like(p), len(table)
    plain, special = change[:, :size], change[:, size:]
    if u_hidden is not None:
        product.into(plain, u_hidden, table.T)
        if u_table is not None:
            plain += product(hidden, u_table.T)
    elif u_table is not None:
        product.into(plain, hidden, u_table.T)
    else:
        plain.zero_()
    if u_special is not None:
        special.copy_(u_special)
    else:
        special.zero_()
    return change


@dataclass(frozen=True)
class _Product:
    """A matrix product in the precision that was in force in the forward pass."""

    low: torch.dtype | None

    @classmethod
    def here(cls, like: Tensor) -> "_Product":
        kind = like.device.type
        on = torch.is_autocast_enabled(kind)
        return cls(torch.get_autocast_dtype(kind) if on else None)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a b, in the precision of `a`."""
        if self.low is None:
            return a @ b
        return (a.to(self.low) @ b.to(self.low)).to(a.dtype)

    def into(self, out: Tensor, a: Tensor, b: Tensor) -> None:
        """Write a b into `out`, a view of a larger tensor."""
        if self.low is None:
            torch.mm(a, b, out=out)
        else:
            out.copy_(a.to(self.low) @ b.to(self.low))
