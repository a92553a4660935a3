"""What a step costs: tokens and operations of the matrix products, counted, not timed.

Padding is not counted, nor is what is computed again to save memory: the count belongs to the
method, not to the machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.learning.task_loss.episodes import Episode
from pipeline.model.network.learner import Learner
from pipeline.model.network.projection import OWN, SPECIAL
from pipeline.model.sequences.batching import Piece


@dataclass(frozen=True)
class StepCost:
    """Tokens through the network (forward) and operations (a multiply-add is two)."""

    tokens: int
    operations: int

    @classmethod
    def zero(cls) -> "StepCost":
        """Return no cost."""
        return cls(0, 0)

    def __add__(self, other: "StepCost") -> "StepCost":
        return StepCost(self.tokens + other.tokens, self.operations + other.operations)

    @classmethod
    def plain(cls, learner: Learner, pieces: Sequence[Piece]) -> "StepCost":
        """Cost of one loss and its gradient."""
        return cls(_tokens(pieces), _forward(learner, pieces) * (1 + _backward(learner)))

    @classmethod
    def reading(cls, learner: Learner, pieces: Sequence[Piece]) -> "StepCost":
        """Cost of one pass without a gradient."""
        return cls(_tokens(pieces), _forward(learner, pieces))

    @classmethod
    def meta(cls, learner: Learner, episode: Episode, steps: int, kind: str) -> "StepCost":
        """Cost of one task's inner steps and of its query loss's gradient.

        With F a forward pass: a gradient is 3F and the exact gradient's Hessian-vector product
        per inner step 6F; where φ is fixed its weights need no gradients, and both are 2F.
        """
        b = _backward(learner)
        per_step = 1 + b + (b * (b + 1) if kind == "exact" else 0)
        operations = _forward(learner, episode.query) * (1 + b)
        tokens = _tokens(episode.query)
        for number, support in enumerate(episode.supports):
            times = len(range(number, steps, len(episode.supports)))  # steps that see this set
            operations += _forward(learner, support) * per_step * times
            tokens += _tokens(support) * times
        return cls(tokens, operations)


def _backward(learner: Learner) -> int:
    """A backward pass in forward passes: 2, or 1 where the base is fixed."""
    return 1 if learner.stackable else 2


def _tokens(pieces: Sequence[Piece]) -> int:
    return sum(len(piece.sequence) for piece in pieces)


def _pairs(piece: Piece) -> int:
    """Pairs of tokens in the scores and the weighted sum."""
    return len(piece.ids) ** 2 + sum(
        len(ids) * (span.start + len(ids)) for span, ids in piece.branches
    )


def _forward(learner: Learner, pieces: Sequence[Piece]) -> int:
    parameters = {**learner.fixed, **learner.theta}
    architecture, projection = learner.model.architecture, learner.model.projection(parameters)
    outside = {*architecture.look_ups, SPECIAL, *OWN}
    matrices = sum(
        value.numel()
        for name, value in parameters.items()
        if value.ndim == 2 and name not in outside
    )
    table = projection.plain.numel() + projection.special.numel()
    pairs = sum(map(_pairs, pieces))
    predicted = sum(span.end - span.start for piece in pieces for span in piece.spans)
    attention = 2 * architecture.layers * architecture.attention_width * pairs
    return 2 * (_tokens(pieces) * matrices + attention + predicted * table)
