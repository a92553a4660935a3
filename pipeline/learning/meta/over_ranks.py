"""What changes in meta-training when ranks share its tasks; with one rank nothing does.

The number of ranks changes nothing but the rounding of the gradient's sum: records, validations
and the history are of all tasks, and a checkpoint of any number of ranks resumes on any other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.learning.task_loss.episodes import Episode
from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.history import DialogueStep
from pipeline.model.checkpoint.checkpoint import Checkpoint, State, Tensors
from pipeline.processes.fingerprint import code_sha256
from pipeline.processes.ranks import Ranks


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
    """A checkpoint that rank 0 writes and every rank goes on from.

    The ranks' machines may share a folder or not. Where they do not, the checkpoint lies on the
    machine that had rank 0, which need not be the one that has it next.
    """

    def __init__(self, checkpoint: Checkpoint, ranks: Ranks) -> None:
        self._checkpoint = checkpoint
        self._ranks = ranks

    def load(self) -> tuple[Tensors, State] | None:
        """Return what was saved last, by any number of ranks; null if nothing was.

        Ranks that do not see it receive it from one that does.

        Raises:
            ModelError: the file cannot be read.
            TrainingError: a rank has other parameters, inputs or code.
        """
        if self._ranks.size > 1:
            self._ranks.agree({**self._checkpoint.parts, "code": code_sha256()})
        own = self._checkpoint.load()
        seen = self._ranks.gather(own and (own[1]["progress"]["step"], _digest(own[1])))
        if all(one == seen[0] for one in seen):
            return own
        newest = max((r for r, one in enumerate(seen) if one), key=lambda rank: seen[rank][0])
        tensors, state = own or ({}, {})
        return self._ranks.copy(tensors, newest), self._ranks.gather(state)[newest]

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, on rank 0; the others wait."""
        if self._ranks.first:
            self._checkpoint.save(tensors, state)
        self._ranks.barrier()

    def delete(self, out: Path) -> None:
        """Remove the checkpoint, once rank 0 has written the out; on every rank's machine."""
        self._ranks.barrier()
        self._checkpoint.delete(out)
        self._ranks.barrier()


def _digest(state: State) -> str:
    return sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
