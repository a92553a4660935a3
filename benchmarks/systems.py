"""Every system that takes the same exact meta-step: one inner SGD step on all parameters."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from benchmarks import rivals
from benchmarks.dialogues import Size, learner
from benchmarks.obvious import ObviousLoop
from benchmarks.ours import Exact
from pipeline.learning.task_loss.episodes import Episode


OPTIONAL = ("learn2learn", "higher", "torchopt")
LR = 0.03  # of the inner step; does not matter to time


class MetaStep(Protocol):
    """A system with its own copy of the same weights."""

    def meta_step(self, episodes: list[Episode], lr: float) -> None:
        """Leave the meta-gradient where `table_gradient` finds it."""
        ...

    def table_gradient(self) -> Tensor:
        """Return the meta-gradient of the tied table, (V + S, width)."""
        ...


def names() -> list[str]:
    """Return the systems that can run here; the first is ours."""
    return ["ours", "obvious_loop", *rivals.available()]


def build(size: Size, name: str) -> MetaStep:
    """Build a system; all have the same weights."""
    if name == "ours":
        return Exact(size)
    if name == "obvious_loop":
        return ObviousLoop(size, learner(size, "eager"))
    return rivals.Rival(size, rivals.available()[name])


def distances(systems: Mapping[str, MetaStep]) -> dict[str, float]:
    """Return how far each one's gradient is from ours in the tied table, relative.

    All have taken the same meta-step. The tied table is where it goes wrong if anything does: it is
    used before and after adaptation, as embedding and as projection.
    """
    own = systems["ours"].table_gradient()
    return {
        name: ((system.table_gradient() - own).norm() / own.norm()).item()
        for name, system in systems.items()
    }
