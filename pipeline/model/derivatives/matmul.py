"""Matrix products for hand-made derivatives, with autocast's precision where autocast is on.

A backward pass may run outside the `autocast` block of its forward pass. So an operation makes one
`Matmul` in its forward pass, keeps it, and computes all products of both derivatives with it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Matmul:
    """A product of two matrices, or of two stacks of matrices.

    Attributes:
        low: the type that factors are cast to before they are multiplied; null: no cast.
    """

    low: torch.dtype | None

    @classmethod
    def in_force(cls, like: Tensor) -> "Matmul":
        """Return the product in the precision that autocast has in force on `like`'s device."""
        kind = like.device.type
        on = torch.is_autocast_enabled(kind)
        return cls(torch.get_autocast_dtype(kind) if on else None)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a b, in the type of `a`."""
        if self.low is None:
            return a @ b
        return (a.to(self.low) @ b.to(self.low)).to(a.dtype)

    def add_to(self, out: Tensor, a: Tensor, b: Tensor) -> None:
        """Add a b to `out`, in place."""
        if self.low is not None:
            out += a.to(self.low) @ b.to(self.low)
        elif out.ndim == 2:
            out.addmm_(a, b)
        else:
            out.baddbmm_(a, b)

    def plus(self, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Return c + a b for stacks, in the type of `a`; c is broadcast to the shape of a b."""
        if self.low is None:
            return torch.baddbmm(c, a, b)
        return self(a, b).add_(c)

    def write_to(self, out: Tensor, a: Tensor, b: Tensor) -> None:
        """Write a b into `out`, which may be a view of a larger tensor."""
        if self.low is None:
            torch.mm(a, b, out=out)
        else:
            out.copy_(a.to(self.low) @ b.to(self.low))
