"""Attention with its first and second derivative by hand, for `transformers`' GPT-2.

With Q = s q, the queries scaled, P = softmax(Q Kᵀ + mask), O = P V, g the cotangent of O and
r = Σ g O over a head's width:

    D = g Vᵀ - r,  dS = P D
    ∂Q = dS K,  ∂K = dSᵀ Q,  ∂V = Pᵀ g,  ∂q = s ∂Q

and for cotangents u_Q = s u_q, u_K, u_V of those three, with N(X) = P X - P Σ P X, the sum over
keys, products within N and with P being entry by entry:

    A   = N(u_Q Kᵀ + Q u_Kᵀ)                              (the gradient by g Vᵀ)
    C   = N((A / P) D + g u_Vᵀ) = A D + P g u_Vᵀ - P Σ …  (the gradient by Q Kᵀ)
    ∂Q  = C K + dS u_K,  ∂K = Cᵀ Q + dSᵀ u_Q,  ∂V = Aᵀ g,  ∂g = A V + P u_V

Whatever is the same for all keys of a query vanishes in N, so r needs no derivative of its own. Of
the size T × T, P alone is kept; D is made again by one product. Where no token sees a later one,
the first half of the queries is multiplied with the first half of the keys only.

B sequences, h heads of width d, T tokens.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask
from transformers.models.gpt2.modeling_gpt2 import eager_attention_forward

from pipeline.model.derivatives.matmul import Product


TWICE = "eager_twice"  # its name among `transformers`' attentions


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Return softmax(scale query keyᵀ + mask) value, (B, h, T, d); differentiable twice.

    Args:
        query: (B, h, T, d), as `key` and `value`.
        key: see `query`.
        value: see `query`.
        mask: 0 or the smallest number, (1 or B, 1, T, T).
        scale: s.
    """
    length = query.shape[2]
    half = length // 2
    rows = ((0, half), (half, length)) if _is_split(mask, half) else ((0, length),)
    result: Tensor = _Attention.apply(
        query, key, value, mask, _How(scale, Product.here(query), rows)
    )
    return result


def _is_split(mask: Tensor, half: int) -> bool:
    """Whether each of the first `half` tokens sees itself, and none sees a token after those."""
    if not half or mask.device.type != "cpu":  # a GPU would have to be waited for
        return False
    itself = mask.diagonal(dim1=-2, dim2=-1)[..., :half]
    lowest = torch.finfo(mask.dtype).min
    return bool((itself == 0).all() and mask[..., :half, half:].max() == lowest)


@dataclass(frozen=True)
class _How:
    scale: float
    product: Product
    rows: tuple[tuple[int, int], ...]  # begin and end of queries, which see keys up to that end

    def stacks(self, query: Tensor, *others: Tensor) -> Iterable[Tensor]:
        """Return each (B, h, T, d) as (B h, T, d), at least in float32, the first one scaled."""
        yield _stack(query) * self.scale
        for other in others:
            yield _stack(other)


def _stack(value: Tensor) -> Tensor:
    flat = value.flatten(0, 1)
    return flat if flat.dtype == torch.float64 else flat.float()


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, how: _How
    ) -> Tensor:
        q, k, v = how.stacks(query, key, value)
        masks = mask.expand(*query.shape[:2], -1, -1)
        probabilities, outputs = [], []
        for begin, end in how.rows:
            hidden = masks[:, :, begin:end, :end].flatten(0, 1)
            scores = how.product.plus(hidden, q[:, begin:end], k[:, :end].mT)
            probabilities.append(scores.softmax(-1))
            outputs.append(how.product(probabilities[-1], v[:, :end]))
        output = torch.cat(outputs, dim=1)
        ctx.save_for_backward(query, key, value, output, *probabilities)
        ctx.how = how
        return output.view(query.shape).to(value.dtype)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *known = ctx.saved_tensors
        return *_Gradient.apply(query, key, value, cotangent, ctx.how, *known), None, None


class _Gradient(torch.autograd.Function):
    """(∂q, ∂k, ∂v) as a function of q, k, v and g; O and P are given, since they were computed."""

    @staticmethod
    def forward(  # noqa: PLR0913 - autograd's functions know no keywords
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cotangent: Tensor,
        how: _How,
        output: Tensor,
        *probabilities: Tensor,
    ) -> tuple[Tensor, ...]:
        q, k, v, g = how.stacks(query, key, value, cotangent)
        minus = -torch.linalg.vecdot(g, output)[..., None]  # -r
        by_q, by_k, by_v = [], torch.zeros_like(k), torch.zeros_like(v)
        for (begin, end), p in zip(how.rows, probabilities, strict=True):
            here = g[:, begin:end]
            slope = how.product.plus(minus[:, begin:end], here, v[:, :end].mT).mul_(p)  # dS
            by_q.append(how.product(slope, k[:, :end]))
            how.product.add(by_k[:, :end], slope.mT, q[:, begin:end])
            how.product.add(by_v[:, :end], p.mT, here)
        ctx.save_for_backward(query, key, value, cotangent, minus, *probabilities)
        ctx.how = how
        return _shaped(torch.cat(by_q, dim=1).mul_(how.scale), by_k, by_v, like=query)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, cotangent, minus, *probabilities = ctx.saved_tensors
        q, k, v, g = ctx.how.stacks(query, key, value, cotangent)
        u_q, u_k, u_v = ctx.how.stacks(*cotangents)
        product, by_q, by_g = ctx.how.product, [], []
        by_k, by_v = torch.zeros_like(k), torch.zeros_like(v)
        for (begin, end), p in zip(ctx.how.rows, probabilities, strict=True):
            mine, keys = slice(begin, end), slice(end)
            by_product = product(u_q[:, mine], k[:, keys].mT)
            product.add(by_product, q[:, mine], u_k[:, keys].mT)
            _centre(by_product.mul_(p), p)  # A
            d = product.plus(minus[:, mine], g[:, mine], v[:, keys].mT)
            by_scores = product(g[:, mine], u_v[:, keys].mT).mul_(p).addcmul_(by_product, d)
            _centre(by_scores, p)  # C
            slope = d.mul_(p)  # dS
            by_q.append(product(by_scores, k[:, keys]))
            product.add(by_q[-1], slope, u_k[:, keys])
            product.add(by_k[:, keys], by_scores.mT, q[:, mine])
            product.add(by_k[:, keys], slope.mT, u_q[:, mine])
            product.add(by_v[:, keys], by_product.mT, g[:, mine])
            by_g.append(product(by_product, v[:, keys]))
            product.add(by_g[-1], p, u_v[:, keys])
        by_query = torch.cat(by_q, dim=1).mul_(ctx.how.scale)
        found = _shaped(by_query, by_k, by_v, torch.cat(by_g, dim=1), like=query)
        return *found, None, None, *[None] * len(probabilities)


def _centre(weighted: Tensor, p: Tensor) -> None:
    """Turn P X into N(X), in place."""
    weighted.addcmul_(p, weighted.sum(-1, keepdim=True), value=-1)


def _shaped(*values: Tensor, like: Tensor) -> tuple[Tensor, ...]:
    return tuple(value.view(like.shape).to(like.dtype) for value in values)


def _forward(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """Attend as `transformers` asks for it; what has no derivative here is left to its own."""
    ours = torch.is_grad_enabled() and attention_mask is not None and not options.get("dropout")
    if not ours or not query.shape == key.shape == value.shape:
        theirs: tuple[Tensor, Tensor] = eager_attention_forward(
            module, query, key, value, attention_mask, **options
        )
        return theirs
    scale = options.get("scaling")
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    return attention(query, key, value, attention_mask, scale).transpose(1, 2), None


AttentionInterface.register(TWICE, _forward)
AttentionMaskInterface.register(TWICE, eager_mask)
