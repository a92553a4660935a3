"""Negative log-likelihood over a large vocabulary, with its first and second derivative by hand.

Exact meta-learning spends most of its time in the projection on the vocabulary: autograd's second
derivative of a cross-entropy passes over the (R, V) matrix a dozen times.

Notation: z = h Wᵀ are the logits of the plain entries, z_s those of the special tokens,
q = softmax([z, z_s]) - y, y holds the targets' one-hot rows, and g is the cotangent of the NLL.
q_v and q_s are the plain and the special columns of q. The first derivative is

    ∂h  = g (q_v W),  ∂W = q_vᵀ (g h),  ∂z_s = g q_s

For the second derivative u_h, u_W, u_s are the cotangents of those three, and
E = [u_h Wᵀ + h u_Wᵀ, u_s]:

    d   = Σ_v q E                         (R,)
    s   = d + E[y]                        the mean of E under the softmax, (R,)
    C   = q E - y d                       g (C - s q) is the gradient by the logits
    ∂g  = d,  ∂h = g (C_v W - s (q_v W) + q_v u_W),  ∂z_s = g (C_s - s q_s)
    ∂W  = C_vᵀ (g h) + q_vᵀ (g (u_h - s h))

g and s belong to a position, so they multiply (R, H) and never (R, V). Memory: q, kept from the
forward pass, is (R, V). On a CPU nothing else of that size exists: E is made and used in blocks of
the vocabulary.

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
from pipeline.model.derivatives.matmul import Matmul


_NATS = math.log(2)  # nats in a bit
_BLOCK = 512  # entries of the vocabulary: their products stay in a CPU's cache


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
        matmul = Matmul.in_force(hidden)
        # In bits: a CPU computes 2^x three times as fast as e^x.
        logits = hidden.new_empty(len(hidden), len(table) + special.shape[1])  # (R, V + S)
        bits = hidden / _NATS
        for block in _blocks(table):
            matmul.write_to(logits[:, block], bits, table[block].T)
        logits[:, len(table) :] = special / _NATS
        index = targets[:, None]
        chosen, highest = logits.gather(-1, index), logits.amax(-1, keepdim=True)
        p = logits.sub_(highest).exp2_()
        total = p.sum(-1, keepdim=True)
        if any(ctx.needs_input_grad):
            q = p.div_(total).scatter_add_(-1, index, torch.full_like(chosen, -1))
            ctx.save_for_backward(hidden, table, special, targets, q)
        ctx.matmul = matmul
        nll: Tensor = (total.log2() + highest - chosen).squeeze(-1) * _NATS
        return nll

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        table_moves = ctx.needs_input_grad[1]
        return *_Gradient.apply(*ctx.saved_tensors, cotangent, ctx.matmul, table_moves), None


class _Gradient(torch.autograd.Function):
    """(∂h, ∂W, ∂z_s) as a function of h, W, z_s and g. q is kept from the forward pass."""

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd's functions take no keywords
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        special: Tensor,  # noqa: ARG004 - an input, so that backward can return its derivative
        targets: Tensor,
        q: Tensor,
        cotangent: Tensor,
        matmul: Matmul,
        table_moves: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        size, g = len(table), cotangent[:, None]
        q_table = matmul(q[:, :size], table)  # q_v W
        by_table = matmul(q[:, :size].T, g * hidden) if table_moves else None
        ctx.save_for_backward(hidden, table, targets, q, cotangent, q_table)
        ctx.matmul = matmul
        ctx.set_materialize_grads(False)
        return g * q_table, by_table, g * q[:, size:]

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, u_hidden: Tensor | None, u_table: Tensor | None, u_special: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        hidden, table, targets, q, cotangent, q_table = ctx.saved_tensors
        matmul, size, g = ctx.matmul, len(table), cotangent[:, None]
        cotangents = _Cotangents(u_hidden, u_table, u_special)
        by_table = torch.empty_like(table) if ctx.needs_input_grad[1] else None
        by_special = q[:, size:] * (0 if u_special is None else u_special)  # q E, not yet C
        d = by_special.sum(-1, keepdim=True)
        by_hidden = torch.zeros_like(hidden)
        for block in _blocks(table):
            q_e = cotangents.e(hidden, table, block, matmul).mul_(q[:, block])  # q E
            d += q_e.sum(-1, keepdim=True)
            matmul.add_to(by_hidden, q_e, table[block])
            if by_table is not None:
                matmul.write_to(by_table[block], q_e.T, g * hidden)
        # The second term of C = q E - y d is 0 except at the targets.
        y = _Targets.of(targets, size)
        by_hidden -= table[y.plain] * (d * y.is_plain)
        by_special.scatter_add_(-1, y.special, -d * ~y.is_plain)
        mean = d + cotangents.e_at_target(hidden, table, y)  # s
        by_hidden -= mean * q_table
        if u_table is not None:
            matmul.add_to(by_hidden, q[:, :size], u_table)
        if by_table is not None:
            weights = -mean * hidden if u_hidden is None else u_hidden - mean * hidden
            matmul.add_to(by_table, q[:, :size].T, g * weights)
            add_rows_(by_table, y.plain, hidden * (-d * g * y.is_plain))
        by_special = g * (by_special - mean * q[:, size:])
        return g * by_hidden, by_table, by_special, None, None, d.squeeze(-1), None, None


def _blocks(table: Tensor) -> Iterator[slice]:
    """Yield blocks of the vocabulary; on a GPU one block, as it has no cache of that kind."""
    size = len(table)
    step = _BLOCK if table.device.type == "cpu" else size
    yield from (slice(first, min(first + step, size)) for first in range(0, size, step))


class _Targets(NamedTuple):
    """Each target's index among the plain entries and among the special ones.

    Only one of the two indices is meant, as `is_plain` says. The other is in range, so that it can
    be looked up, and its value must not be used.
    """

    is_plain: Tensor  # (R, 1)
    plain: Tensor  # (R,) rows of the table
    special: Tensor  # (R, 1) columns of the special tokens' logits

    @classmethod
    def of(cls, targets: Tensor, size: int) -> "_Targets":
        """Split ids (R,) into plain ones, below `size`, and special ones."""
        is_plain = (targets < size)[:, None]
        return cls(is_plain, targets.clamp(max=size - 1), (targets[:, None] - size).clamp(min=0))


@dataclass(frozen=True)
class _Cotangents:
    """u_h, u_W and u_s; null where the gradient was not used."""

    hidden: Tensor | None
    table: Tensor | None
    special: Tensor | None

    def e(self, hidden: Tensor, table: Tensor, block: slice, matmul: Matmul) -> Tensor:
        """Return E for a block of the plain entries: (R, block)."""
        e = hidden.new_empty(len(hidden), block.stop - block.start)
        if self.hidden is None and self.table is None:
            return e.zero_()
        if self.hidden is not None:
            matmul.write_to(e, self.hidden, table[block].T)
            if self.table is not None:
                matmul.add_to(e, hidden, self.table[block].T)
        elif self.table is not None:
            matmul.write_to(e, hidden, self.table[block].T)
        return e

    def e_at_target(self, hidden: Tensor, table: Tensor, y: "_Targets") -> Tensor:
        """Return E[y], (R, 1)."""
        plain = torch.zeros_like(hidden[:, :1])
        if self.hidden is not None:
            plain += torch.linalg.vecdot(self.hidden, table[y.plain].to(plain.dtype))[:, None]
        if self.table is not None:
            plain += torch.linalg.vecdot(hidden, self.table[y.plain])[:, None]
        special = self.special.gather(-1, y.special) if self.special is not None else 0
        return torch.where(y.is_plain, plain, special)
