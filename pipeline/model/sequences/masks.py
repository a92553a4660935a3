"""Attention masks in the form that `transformers` adds to the scores."""

import torch
from torch import Tensor


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn a mask of booleans into one to be added to the attention's scores.

    Args:
        mask: (B, Q, K) bool: true where query q may see key k.
        dtype: of the result, a floating-point type.

    Returns:
        (B, 1, Q, K): 0 where `mask` is true, the smallest number of `dtype` elsewhere.
    """
    zeros = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return zeros.masked_fill(~mask, torch.finfo(dtype).min)[:, None]
