"""Attention with its first and second derivative by hand, for the models of `transformers`.

Notation: Q = s q are the scaled queries, P = softmax(Q Kᵀ + mask), O = P V, g is the cotangent of
O, and r = Σ g O is summed over a head's width. The first derivative is

    D = g Vᵀ - r,  dS = P D
    ∂Q = dS K,  ∂K = dSᵀ Q,  ∂V = Pᵀ g,  ∂q = s ∂Q

For the second derivative u_Q = s u_q, u_K, u_V are the cotangents of those three, and
N(X) = P X - P Σ P X. Within N, Σ sums over keys, and all products are entry by entry, those with P
too:

    A   = N(u_Q Kᵀ + Q u_Kᵀ)                              (the gradient by g Vᵀ)
    C   = N((A / P) D + g u_Vᵀ) = A D + P g u_Vᵀ - P Σ …  (the gradient by Q Kᵀ)
    ∂Q  = C K + dS u_K,  ∂K = Cᵀ Q + dSᵀ u_Q,  ∂V = Aᵀ g,  ∂g = A V + P u_V

N removes whatever is the same for all keys of a query, so r needs no derivative of its own. Memory:
P is the only T × T matrix that is kept; D is computed again by one product. Time: under a causal
mask the first half of the queries is multiplied with the first half of the keys only.

B sequences, h heads of width d, T tokens.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from pipeline.model.derivatives.matmul import Matmul


TWICE = "eager_twice"  # the name that `transformers` finds this attention by


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Return softmax(scale query keyᵀ + mask) value, (B, h, T, d); differentiable twice.

    Args:
        query: (B, h, T, d), as `key` and `value`.
        key: see `query`.
        value: see `query`.
        mask: 0 where a query sees a key, else the type's smallest number; (1 or B, 1, T, T).
        scale: s.
    """
    length = query.shape[2]
    half = length // 2
    rows = ((0, half), (half, length)) if _is_split(mask, half) else ((0, length),)
    result: Tensor = _Attention.apply(
        query, key, value, mask, _Setting(scale, Matmul.in_force(query), rows)
    )
    return result


def _is_split(mask: Tensor, half: int) -> bool:
    """Tell whether the first `half` queries need the first `half` keys only.

    They do if each sees itself and none sees a later key than the first `half`.
    """
    if not half or mask.device.type != "cpu":  # on a GPU this check would wait for the device
        return False
    itself = mask.diagonal(dim1=-2, dim2=-1)[..., :half]
    lowest = torch.finfo(mask.dtype).min
    return bool((itself == 0).all() and mask[..., :half, half:].max() == lowest)


@dataclass(frozen=True)
class _Setting:
    """What the forward pass and both derivatives share."""

    scale: float  # s
    matmul: Matmul
    rows: tuple[tuple[int, int], ...]  # (begin, end) of queries; they see the keys before `end`

    def stacks(self, query: Tensor, *others: Tensor) -> Iterable[Tensor]:
        """Yield each (B, h, T, d) as (B h, T, d), at least in float32; `query` is scaled by s."""
        yield _stack(query) * self.scale
        for other in others:
            yield _stack(other)


def _stack(value: Tensor) -> Tensor:
    flat = value.flatten(0, 1)
    return flat if flat.dtype == torch.float64 else flat.float()


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, setting: _Setting
    ) -> Tensor:
        q, k, v = setting.stacks(query, key, value)
        masks = mask.expand(*query.shape[:2], -1, -1)
        probabilities, outputs = [], []
        for begin, end in setting.rows:
            mask_rows = masks[:, :, begin:end, :end].flatten(0, 1)
            scores = setting.matmul.plus(mask_rows, q[:, begin:end], k[:, :end].mT)
            probabilities.append(scores.softmax(-1))
            outputs.append(setting.matmul(probabilities[-1], v[:, :end]))
        output = torch.cat(outputs, dim=1)
        ctx.save_for_backward(query, key, value, output, *probabilities)
        ctx.setting = setting
        return output.view(query.shape).to(value.dtype)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *kept = ctx.saved_tensors  # O and P
        return *_Gradient.apply(query, key, value, cotangent, ctx.setting, *kept), None, None


class _Gradient(torch.autograd.Function):
    """(∂q, ∂k, ∂v) as a function of q, k, v and g. O and P are kept from the forward pass."""

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd's functions take no keywords
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cotangent: Tensor,
        setting: _Setting,
        output: Tensor,
        *probabilities: Tensor,
    ) -> tuple[Tensor, ...]:
        q, k, v, g = setting.stacks(query, key, value, cotangent)
        matmul = setting.matmul
        minus_r = -torch.linalg.vecdot(g, output)[..., None]
        by_q, by_k, by_v = [], torch.zeros_like(k), torch.zeros_like(v)
        for (begin, end), p in zip(setting.rows, probabilities, strict=True):
            g_rows = g[:, begin:end]
            slope = matmul.plus(minus_r[:, begin:end], g_rows, v[:, :end].mT).mul_(p)  # dS
            by_q.append(matmul(slope, k[:, :end]))
            matmul.add_to(by_k[:, :end], slope.mT, q[:, begin:end])
            matmul.add_to(by_v[:, :end], p.mT, g_rows)
        ctx.save_for_backward(query, key, value, cotangent, minus_r, *probabilities)
        ctx.setting = setting
        return _shaped(torch.cat(by_q, dim=1).mul_(setting.scale), by_k, by_v, like=query)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, cotangent, minus_r, *probabilities = ctx.saved_tensors
        q, k, v, g = ctx.setting.stacks(query, key, value, cotangent)
        u_q, u_k, u_v = ctx.setting.stacks(*cotangents)
        matmul, by_q, by_g = ctx.setting.matmul, [], []
        by_k, by_v = torch.zeros_like(k), torch.zeros_like(v)
        for (begin, end), p in zip(ctx.setting.rows, probabilities, strict=True):
            rows, keys = slice(begin, end), slice(end)
            a = matmul(u_q[:, rows], k[:, keys].mT)
            matmul.add_to(a, q[:, rows], u_k[:, keys].mT)
            _centre(a.mul_(p), p)  # A
            d = matmul.plus(minus_r[:, rows], g[:, rows], v[:, keys].mT)  # D
            c = matmul(g[:, rows], u_v[:, keys].mT).mul_(p).addcmul_(a, d)
            _centre(c, p)  # C
            slope = d.mul_(p)  # dS
            by_q.append(matmul(c, k[:, keys]))
            matmul.add_to(by_q[-1], slope, u_k[:, keys])
            matmul.add_to(by_k[:, keys], c.mT, q[:, rows])
            matmul.add_to(by_k[:, keys], slope.mT, u_q[:, rows])
            matmul.add_to(by_v[:, keys], a.mT, g[:, rows])
            by_g.append(matmul(a, v[:, keys]))
            matmul.add_to(by_g[-1], p, u_v[:, keys])
        by_query = torch.cat(by_q, dim=1).mul_(ctx.setting.scale)
        gradients = _shaped(by_query, by_k, by_v, torch.cat(by_g, dim=1), like=query)
        return *gradients, None, None, *[None] * len(probabilities)


def _centre(weighted: Tensor, p: Tensor) -> None:
    """Turn P X into N(X), in place."""
    weighted.addcmul_(p, weighted.sum(-1, keepdim=True), value=-1)


def _shaped(*values: Tensor, like: Tensor) -> tuple[Tensor, ...]:
    return tuple(value.view(like.shape).to(like.dtype) for value in values)


# Options that change nothing here: they are read before, or say what the mask says.
_IDLE = {"dropout", "scaling", "sliding_window", "position_ids", "is_causal", "use_cache"}


def _forward(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """Attend by the interface of `transformers`.

    The family's own eager attention computes what has no derivative here: a call without gradients,
    without a mask, with dropout, with cached keys, or with an option that is unknown here (a soft
    cap of the scores, say).
    """
    unknown = [name for name in options.keys() - _IDLE if options[name] not in (None, False)]
    ours = torch.is_grad_enabled() and attention_mask is not None and not options.get("dropout")
    if unknown or not ours or query.shape[2] != key.shape[2] or key.shape != value.shape:
        eager = sys.modules[type(module).__module__].eager_attention_forward
        theirs: tuple[Tensor, Tensor] = eager(module, query, key, value, attention_mask, **options)
        return theirs
    scale = options.get("scaling")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    groups = query.shape[1] // key.shape[1]  # queries' heads that share one head of keys
    if groups > 1:
        key, value = (heads.repeat_interleave(groups, dim=1) for heads in (key, value))
    return attention(query, key, value, attention_mask, scale).transpose(1, 2), None


AttentionInterface.register(TWICE, _forward)
AttentionMaskInterface.register(TWICE, eager_mask)
