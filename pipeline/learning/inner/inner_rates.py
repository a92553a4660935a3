"""α as data: which tensors the inner loop moves, and how fast each of them.

ANIL (Raghu et al. 2020) moves a few tensors only; LSLR (Antoniou et al. 2019) learns a rate for
each tensor, as Meta-SGD does for each number. Learned rates are parameters of the outer loop, by
their logarithms, so that they stay positive and Adam's step is relative.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import log

import torch
from torch import Tensor

from pipeline.errors import ParamsError


_PREFIX = "log_inner_lr/"


def inner_set(names: Iterable[str], patterns: Sequence[str] | None) -> list[str]:
    """Return the names of θ that some pattern (`*`, `?`) matches; all without patterns.

    Raises:
        ParamsError: a pattern matches none.
    """
    names = list(names)
    if patterns is None:
        return names
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ParamsError(
                f"meta_train.inner_parameters: {pattern!r} matches no tensor of this variant's θ; "
                f"there are {', '.join(names[:4])}, ..."
            )
    return [name for name in names if any(fnmatchcase(name, p) for p in patterns)]


@dataclass(frozen=True)
class InnerRates:
    """The rule by which a θ of the outer loop holds θ and, where they are learned, α."""

    names: Sequence[str]  # what moves
    lr: float  # α, or what it starts from
    learned: bool = False

    def start(self, theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what the outer loop learns: θ, and log α for each tensor that moves."""
        if not self.learned:
            return dict(theta)
        like = next(iter(theta.values()))
        return {**theta, **{_PREFIX + n: like.new_tensor(log(self.lr)) for n in self.names}}

    def split(self, outer: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return θ and the logarithms by the names of what they move."""
        theta = {n: v for n, v in outer.items() if not n.startswith(_PREFIX)}
        logs = {n.removeprefix(_PREFIX): v for n, v in outer.items() if n.startswith(_PREFIX)}
        return theta, logs

    def rates(self, logs: Mapping[str, Tensor]) -> dict[str, float | Tensor]:
        """Return α of each tensor that moves; tensors without a gradient where it is learned."""
        if not self.learned:
            return dict.fromkeys(self.names, self.lr)
        return {name: torch.exp(logs[name].detach()) for name in self.names}

    def found(self, outer: Mapping[str, Tensor]) -> dict[str, float | None]:
        """Return what fine-tuning needs to know: what moves, at which rate (null: its own)."""
        _, logs = self.split(outer)
        return {n: logs[n].exp().item() if self.learned else None for n in self.names}
