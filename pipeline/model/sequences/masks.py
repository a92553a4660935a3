"""Which tokens a pass's tokens see, and the masks that say so to `transformers`.

B sequences, Q tokens of the pass (queries), K tokens with those of earlier passes (keys).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Seen:
    """Which keys each query sees, and where both stand in their sequences."""

    mask: Tensor  # (B, Q, K) bool: true where the query sees the key
    queries: Tensor  # (B, Q) positions
    keys: Tensor  # (B or 1, K) positions

    @classmethod
    def each_other(cls, mask: Tensor, positions: Tensor) -> "Seen":
        """Return the mask of a pass whose tokens see only each other: (B, T, T), (B, T)."""
        return cls(mask, positions, positions)

    def to(self, device: torch.device) -> "Seen":
        """Return the same on a device."""
        return Seen(self.mask.to(device), self.queries.to(device), self.keys.to(device))

    def within(self, window: int) -> Tensor:
        """Return the mask without keys that lie `window` positions or more before their query."""
        distances = self.queries[:, :, None] - self.keys[:, None]
        return self.mask & (distances < window)

    def masks(self, architecture: Any, dtype: torch.dtype) -> Tensor | dict[str, Tensor]:
        """Return the additive mask of all layers, or one for each kind of layer.

        Args:
            architecture: says whether layers slide, and how far (`Architecture`).
            dtype: of the result, a floating-point type.
        """
        full, window = self.mask, architecture.window
        if window is None:
            return additive_mask(full, dtype)
        sliding = additive_mask(self.within(window), dtype)
        if not architecture.mixes_windows:
            return sliding
        return {"full_attention": additive_mask(full, dtype), "sliding_attention": sliding}


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
