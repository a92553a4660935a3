"""What changes in meta-training when ranks share its tasks; with one rank nothing does.

The number of ranks changes nothing but the rounding of the gradient's sum: records, validations
and the history are of all tasks, and a checkpoint of any number of ranks resumes on any other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.learning.data.episodes import Episode
from pipeline.learning.parallel.ranks import Ranks
from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.history import DialogueStep
from pipeline.model.checkpoint.checkpoint import Checkpoint, State, Tensors


def step(
    ranks: Ranks,
    leaves: Iterable[Tensor],
    episodes: Sequence[Episode],
    gradient: Callable[[Sequence[Episode]], DialogueStep],
) -> DialogueStep:
    """Leave the mean gradient over all episodes in the leaves' `.grad`; return their common record.

    Args:
        ranks: share the episodes.
        leaves: all that the outer loop learns; `.grad` is None; the same on every rank.
        episodes: one step's, the same on every rank.
        gradient: adds the mean gradient over the episodes that it is given to the leaves' `.grad`.
    """
    if ranks.size == 1:
        return gradient(episodes)
    mine = ranks.share(episodes)
    own = asdict(gradient(mine)) if mine else None
    ranks.sum_gradients(leaves, weight=len(mine) / len(episodes))
    parts = [(count, part) for count, part in ranks.gather((len(mine), own)) if part]
    steps = [DialogueStep(**{**part, "cost": StepCost(**part["cost"])}) for _, part in parts]
    return DialogueStep.pooled(steps, [count for count, _ in parts])


def validate(
    ranks: Ranks,
    episodes: Sequence[Episode],
    losses: Callable[[Sequence[Episode]], tuple[float, float]],
) -> tuple[float, float]:
    """Return the query sets' losses before and after adaptation, nats per token, over all episodes.

    Args:
        ranks: share the episodes.
        episodes: the validation's, the same on every rank.
        losses: the two losses over all query tokens of the episodes that it is given.
    """
    if ranks.size == 1:
        return losses(episodes)
    mine = ranks.share(episodes)
    before, after = losses(mine) if mine else (0.0, 0.0)
    parts = ranks.gather((_query_tokens(mine), before, after))
    total = sum(tokens for tokens, _, _ in parts)
    return (
        sum(tokens * before for tokens, before, _ in parts) / total,
        sum(tokens * after for tokens, _, after in parts) / total,
    )


def _query_tokens(episodes: Sequence[Episode]) -> int:
    spans = (span for episode in episodes for piece in episode.query for span in piece.spans)
    return sum(span.end - span.start for span in spans)


class SharedCheckpoint:
    """A checkpoint that rank 0 writes and every rank reads."""

    def __init__(self, checkpoint: Checkpoint, ranks: Ranks) -> None:
        self._checkpoint = checkpoint
        self._ranks = ranks

    def load(self) -> tuple[Tensors, State] | None:
        """Return what was saved last, by any number of ranks; null if nothing was.

        Raises:
            ModelError: the file cannot be read.
            TrainingError: the ranks do not see the same file.
        """
        saved = self._checkpoint.load()
        digest = saved and sha256(json.dumps(saved[1], sort_keys=True).encode()).hexdigest()
        if len(set(self._ranks.gather(digest))) > 1:
            raise TrainingError(
                f"{self._checkpoint.path}: not the same for every rank; all machines of a run "
                "must share this folder, or start without it"
            )
        return saved

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, on rank 0; the others wait."""
        if self._ranks.first:
            self._checkpoint.save(tensors, state)
        self._ranks.barrier()

    def delete(self) -> None:
        """Remove the checkpoint, on rank 0, once the out is written; the others wait."""
        if self._ranks.first:
            self._checkpoint.delete()
        self._ranks.barrier()
