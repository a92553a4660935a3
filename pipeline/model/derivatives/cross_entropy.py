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

Whatever belongs to a position, g and s, multiplies (R, H) and never (R, V); of that size there is
q, kept from the forward pass, and on a CPU nothing else: E is made and used block by block of the
vocabulary there.

R predicted tokens, V plain entries, S special ones, H width.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pipeline.model.derivatives.add_rows import add_rows_
from pipeline.model.derivatives.matmul import Product


_NATS = math.log(2)  # of a bit
_BLOCK = 512  # entries of the vocabulary: what is made of them stays in a CPU's cache


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
        bits = hidden / _NATS
        for part in _blocks(table):
            product.into(logits[:, part], bits, table[part].T)
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
        product, size, g = ctx.product, len(table), cotangent[:, None]
        cotangents = _Cotangents(u_hidden, u_table, u_special)
        by_table = torch.empty_like(table) if ctx.needs_input_grad[1] else None
        by_special = q[:, size:] * (0 if u_special is None else u_special)  # q E, not yet C
        d = by_special.sum(-1, keepdim=True)
        by_hidden = torch.zeros_like(hidden)
        for part in _blocks(table):
            change = cotangents.change(hidden, table, part, product).mul_(q[:, part])  # q E
            d += change.sum(-1, keepdim=True)
            product.add(by_hidden, change, table[part])
            if by_table is not None:
                product.into(by_table[part], change.T, g * hidden)
        # C = q E - y d, the second term where a target is
        y = _Targets.of(targets, size)
        by_hidden -= table[y.plain] * (d * y.is_plain)
        by_special.scatter_add_(-1, y.special, -d * ~y.is_plain)
        mean = d + cotangents.at_target(hidden, table, y)  # s
        by_hidden -= mean * rows
        if u_table is not None:
            product.add(by_hidden, q[:, :size], u_table)
        if by_table is not None:
            weights = -mean * hidden if u_hidden is None else u_hidden - mean * hidden
            product.add(by_table, q[:, :size].T, g * weights)
            add_rows_(by_table, y.plain, hidden * (-d * g * y.is_plain))
        by_special = g * (by_special - mean * q[:, size:])
        return g * by_hidden, by_table, by_special, None, None, d.squeeze(-1), None, None


def _blocks(table: Tensor) -> Iterator[slice]:
    """Yield parts of the vocabulary; on a GPU all of it, since it has no such cache to stay in."""
    size = len(table)
    step = _BLOCK if table.device.type == "cpu" else size
    yield from (slice(first, min(first + step, size)) for first in range(0, size, step))


class _Targets(NamedTuple):
    """Where the targets stand; an index of the wrong kind is in range, and is not to be used."""

    is_plain: Tensor  # (R, 1)
    plain: Tensor  # (R,) rows of the table
    special: Tensor  # (R, 1) columns of the special tokens' logits

    @classmethod
    def of(cls, targets: Tensor, size: int) -> "_Targets":
        """Take ids apart; `size` of them are plain."""
        is_plain = (targets < size)[:, None]
        return cls(is_plain, targets.clamp(max=size - 1), (targets[:, None] - size).clamp(min=0))


@dataclass(frozen=True)
class _Cotangents:
    """u_h, u_W and u_s; none where nothing was asked of a gradient."""

    hidden: Tensor | None
    table: Tensor | None
    special: Tensor | None

    def change(self, hidden: Tensor, table: Tensor, part: slice, product: Product) -> Tensor:
        """Return E for a part of the plain vocabulary."""
        change = hidden.new_empty(len(hidden), part.stop - part.start)
        if self.hidden is None and self.table is None:
            return change.zero_()
        if self.hidden is not None:
            product.into(change, self.hidden, table[part].T)
            if self.table is not None:
                product.add(change, hidden, self.table[part].T)
        elif self.table is not None:
            product.into(change, hidden, self.table[part].T)
        return change

    def at_target(self, hidden: Tensor, table: Tensor, y: "_Targets") -> Tensor:
        """Return E[y], (R, 1)."""
        found = torch.zeros_like(hidden[:, :1])
        if self.hidden is not None:
            found += torch.linalg.vecdot(self.hidden, table[y.plain])[:, None]
        if self.table is not None:
            found += torch.linalg.vecdot(hidden, self.table[y.plain])[:, None]
        special = self.special.gather(-1, y.special) if self.special is not None else 0
        return torch.where(y.is_plain, found, special)
