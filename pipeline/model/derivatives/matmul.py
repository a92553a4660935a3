"""Products of matrices for derivatives that are written by hand, under autocast as without it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Product:
    """A product of matrices, or of stacks of them, in the precision that was in force."""

    low: torch.dtype | None

    @classmethod
    def here(cls, like: Tensor) -> "Product":
        """Return the product as it is computed now, where `like` is."""
        kind = like.device.type
        on = torch.is_autocast_enabled(kind)
        return cls(torch.get_autocast_dtype(kind) if on else None)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a b, in the precision of `a`."""
        if self.low is None:
            return a @ b
        return (a.to(self.low) @ b.to(self.low)).to(a.dtype)

    def add(self, out: Tensor, a: Tensor, b: Tensor) -> None:
        """Add a b to `out`."""
        if self.low is not None:
            out += a.to(self.low) @ b.to(self.low)
        elif out.ndim == 2:
            out.addmm_(a, b)
        else:
            out.baddbmm_(a, b)

    def plus(self, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Return c + a b for stacks, in the precision of `a`; c may be spread over either side."""
        if self.low is None:
            return torch.baddbmm(c, a, b)
        return self(a, b).add_(c)

    def into(self, out: Tensor, a: Tensor, b: Tensor) -> None:
        """Write a b into `out`, a view of a larger tensor."""
        if self.low is None:
            torch.mm(a, b, out=out)
        else:
            out.copy_(a.to(self.low) @ b.to(self.low))
