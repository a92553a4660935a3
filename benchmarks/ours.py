"""Our side of every comparison, in one place."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.dialogues import WTE, Size, learner
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import maml
from pipeline.learning.task_loss.episodes import Episode
from pipeline.learning.training import supervised
from pipeline.model.inference.candidates import candidate_nll
from pipeline.model.inference.reading import read
from pipeline.model.network.learner import Learner
from pipeline.model.network.projection import SPECIAL
from pipeline.model.sequences.batching import collate
from pipeline.model.sequences.encoding import Window
from pipeline.processes.device import task_threads
from pipeline.processes.over_threads import TaskThreads


class Exact:
    """The exact meta-step of Algorithm 1, or 2 with adapters; `options` go to `InnerLoop`."""

    def __init__(
        self, size: Size, *, adapters: bool = False, steps: int = 1, **options: Any
    ) -> None:
        self.learner = learner(size, "eager", adapters=adapters)
        self._steps, self._options = steps, options
        self._threads = TaskThreads(task_threads(self.learner.device))

    def meta_step(self, episodes: Sequence[Episode], lr: float) -> None:
        """Leave the meta-gradient in θ's `.grad`."""
        clear(self.learner)
        inner = InnerLoop(list(self.learner.theta), lr, self._steps, "exact", **self._options)
        maml.meta_gradient(self.learner, self.learner.theta, episodes, inner, threads=self._threads)

    def table_gradient(self) -> Tensor:
        """Return the gradient of the tied table, (V + S, width)."""
        return torch.cat([_gradient(self.learner, WTE), _gradient(self.learner, SPECIAL)])


class Plain:
    """An ordinary fine-tuning step on the support and query sets, fused attention."""

    def __init__(self, size: Size, *, adapters: bool = False) -> None:
        self.learner = learner(size, "sdpa", adapters=adapters)

    def one_batch(self, episodes: Sequence[Episode]) -> None:
        """Take all dialogues as one batch."""
        clear(self.learner)
        pieces = [piece for e in episodes for piece in [*e.support, *e.query]]
        supervised.gradient(self.learner, self.learner.theta, pieces)

    def one_by_one(self, episodes: Sequence[Episode]) -> None:
        """Take a dialogue at a time, gradients added up."""
        clear(self.learner)
        for episode in episodes:
            for piece in [*episode.support, *episode.query]:
                supervised.gradient(self.learner, self.learner.theta, [piece])

    def one_reply_each(self, episodes: Sequence[Episode]) -> None:
        """Take every reply as an example of its own, otherwise as `one_by_one`."""
        clear(self.learner)
        for episode in episodes:
            for piece in [*episode.support, *episode.query]:
                examples = [type(piece)(piece.window, (span,)) for span in piece.spans]
                supervised.gradient(self.learner, self.learner.theta, examples)


def clear(learner: Learner) -> None:
    """Drop θ's gradients."""
    for value in learner.theta.values():
        value.grad = None


@torch.no_grad()
def candidate_scores(
    learner: Learner, window: Window, candidates: list[list[tuple[int, ...]]]
) -> list[list[float]]:
    """Return every candidate's NLL in nats, for all replies of a dialogue."""
    reading = read(learner.model, learner.parameters(learner.theta), window)
    return candidate_nll(reading, window.spans, candidates)


def loss(learner: Learner, theta: dict[str, Tensor], episode: Episode, *, query: bool) -> Tensor:
    """Return the loss of one of an episode's sets at θ: what rivals are given."""
    pieces = episode.query if query else episode.support
    return learner.token_nll(theta, collate(pieces, learner.device)).mean()


def _gradient(learner: Learner, name: str) -> Tensor:
    gradient = learner.theta[name].grad
    assert gradient is not None
    return gradient
