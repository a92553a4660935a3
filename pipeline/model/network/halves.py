"""A pass through one half of the trunk: up to a block, or from that block on.

The blocks of the other half pass states on instead of computing them. So no code of an architecture
is written again: embeddings, masks, positions and the last norm are still the trunk's own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from pipeline.model.base.architecture import blocks_of


class Half(Protocol):
    """A half of the trunk, put in place for one pass."""

    def of(self, trunk: Any) -> Any:
        """Return the context in which the trunk computes this half alone."""
        ...


@dataclass(frozen=True)
class Cut:
    """Where the trunk is cut: the names of the blocks on both sides."""

    below: tuple[str, ...]
    above: tuple[str, ...]

    @classmethod
    def at(cls, trunk: Any, first: int) -> "Cut":
        """Cut in front of block `first`, counted from 0."""
        places = {id(block): place for place, block in enumerate(blocks_of(trunk))}
        names = [name for name, module in trunk.named_modules() if id(module) in places]
        return cls(tuple(names[:first]), tuple(names[first:]))


def first_of(trunk: Any, names: Sequence[str]) -> int | None:
    """Return the first block that has one of these parameters; null if some are in no block."""
    blocks = Cut.at(trunk, 0).above
    owners = [next((i for i, b in enumerate(blocks) if n.startswith(f"{b}.")), None) for n in names]
    found = [owner for owner in owners if owner is not None]
    return min(found) if found and len(found) == len(owners) else None


class Below:
    """The half below the cut; then `states` are those that enter the half above, (B, T, H)."""

    states: Tensor

    def __init__(self, cut: Cut) -> None:
        self._cut = cut

    @contextmanager
    def of(self, trunk: Any) -> Iterator[None]:
        """Compute the blocks below; the first block above keeps what it was given."""
        first, *rest = self._cut.above
        with _instead(trunk, [first], self._keep), _instead(trunk, rest, _pass_on):
            yield

    def _keep(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        self.states = hidden_states
        return hidden_states


@dataclass(frozen=True)
class Above:
    """The half above the cut, from the states that enter it."""

    cut: Cut
    states: Tensor  # (B, T, H)

    @contextmanager
    def of(self, trunk: Any) -> Iterator[None]:
        """Compute the blocks above; every block below answers with the states."""
        with _instead(trunk, self.cut.below, lambda *_, **__: self.states):
            yield


def _pass_on(hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
    return hidden_states


@contextmanager
def _instead(trunk: Any, names: Sequence[str], forward: Callable[..., Tensor]) -> Iterator[None]:
    """Let blocks do something else, in their places: the loop over them is the trunk's own."""
    blocks = [trunk.get_submodule(name) for name in names]
    try:
        for block in blocks:
            block.forward = forward
        yield
    finally:
        for block in blocks:
            block.__dict__.pop("forward", None)
