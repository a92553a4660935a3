"""Negative log-likelihood over a large vocabulary, with its first and second derivative by hand.

The vocabulary's projection is where exact meta-learning loses its time: autograd's second
derivative of a cross-entropy goes over the (R, V) matrix a dozen times. With z = h Wᵀ beside the
special tokens' z_s, q = softmax([z, z_s]) - y, y the targets' one-hot rows and g the cotangent:

    ∂h  = g (q_v W),  ∂W = q_vᵀ (g h),  ∂z_s = g q_s

and for cotangents u_h, u_W, u_s of those three, with E = [u_h Wᵀ + h u_Wᵀ, u_s]:

    d   = Σ_v q E                         (R,)
    s   = d + E[y]                        the mean of E under the softmax, (R,)
    C   = q E - y d                       g (C - s q) is the gradient by the logits
    ∂g  = d,  ∂h = g (C_v W - s (q_v W) + q_v u_W),  ∂z_s = g (C_s - s q_s)
    ∂W  = C_vᵀ (g h) + q_vᵀ (g (u_h - s h))

Whatever belongs to a position, g and s, multiplies (R, H) and never (R, V); of that size there are
q, kept from the forward pass, and C, made in the place of E.

R predicted tokens, V plain entries, S special ones, H width.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.model.product import Product


_NATS = math.log(2)  # of a bit


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
        product = Product.here(hidden)
        # In bits: on a CPU 2^x is taken three times as fast as e^x.
        logits = hidden.new_empty(len(hidden), len(table) + special.shape[1])  # (R, V + S)
        product.into(logits[:, : len(table)], hidden / _NATS, table.T)
        logits[:, len(table) :] = special / _NATS
        index = targets[:, None]
        chosen, highest = logits.gather(-1, index), logits.amax(-1, keepdim=True)
        p = logits.sub_(highest).exp2_()
        total = p.sum(-1, keepdim=True)
        if any(ctx.needs_input_grad):
            q = p.div_(total).scatter_add_(-1, index, torch.full_like(chosen, -1))
            ctx.save_for_backward(hidden, table, special, targets, q)
        ctx.product = product
        nll: Tensor = (total.log2() + highest - chosen).squeeze(-1) * _NATS
        return nll

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        table_moves = ctx.needs_input_grad[1]
        return *_Gradient.apply(*ctx.saved_tensors, cotangent, ctx.product, table_moves), None


class _Gradient(torch.autograd.Function):
    """(∂h, ∂W, ∂z_s) as a function of h, W, z_s and g; q is given, since it was computed."""

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd's functions know no keywords
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        special: Tensor,  # noqa: ARG004 - an input, so that its second derivative has a place
        targets: Tensor,
        q: Tensor,
        cotangent: Tensor,
        product: Product,
        table_moves: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        size, g = len(table), cotangent[:, None]
        rows = product(q[:, :size], table)  # q_v W
        by_table = product(q[:, :size].T, g * hidden) if table_moves else None
        ctx.save_for_backward(hidden, table, targets, q, cotangent, rows)
        ctx.product = product
        ctx.set_materialize_grads(False)
        return g * rows, by_table, g * q[:, size:]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, u_hidden: Tensor | None, u_table: Tensor | None, u_special: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        hidden, table, targets, q, cotangent, rows = ctx.saved_tensors
        product, size, index = ctx.product, len(table), targets[:, None]
        change = _change(hidden, table, q, product, (u_hidden, u_table, u_special))
        at_target = change.gather(-1, index)
        change *= q
        by_cotangent = change.sum(-1, keepdim=True)  # d
        mean = by_cotangent + at_target  # s
        change.scatter_add_(-1, index, -by_cotangent)  # C
        g, plain = cotangent[:, None], change[:, :size]
        by_hidden = product(plain, table) - mean * rows
        if u_table is not None:
            product.add(by_hidden, q[:, :size], u_table)
        by_table = None
        if ctx.needs_input_grad[1]:
            weights = -mean * hidden if u_hidden is None else u_hidden - mean * hidden
            by_table = product(plain.T, g * hidden)
            product.add(by_table, q[:, :size].T, g * weights)
        by_special = g * (change[:, size:] - mean * q[:, size:])
        by_cotangent = by_cotangent.squeeze(-1)
        return g * by_hidden, by_table, by_special, None, None, by_cotangent, None, None


def _change(
    hidden: Tensor,
    table: Tensor,
    q: Tensor,
    product: Product,
    cotangents: tuple[Tensor | None, Tensor | None, Tensor | None],
) -> Tensor:
    """Return E, (R, V + S)."""
    u_hidden, u_table, u_special = cotangents
    change, size = torch.empty_like(q), len(table)
    plain, special = change[:, :size], change[:, size:]
    if u_hidden is not None:
        product.into(plain, u_hidden, table.T)
        if u_table is not None:
            product.add(plain, hidden, u_table.T)
    elif u_table is not None:
        product.into(plain, hidden, u_table.T)
    else:
        plain.zero_()
    if u_special is not None:
        special.copy_(u_special)
    else:
        special.zero_()
    return change
