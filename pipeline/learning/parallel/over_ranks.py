"""What changes in a training run when ranks share its tasks; nothing does where there is one rank.

The number of ranks shows in nothing but the rounding of the gradient's sum: reports, validations
and the history are of all tasks, and a checkpoint of any number of ranks resumes on any other.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.learning.data.episodes import Episode
from pipeline.learning.parallel.ranks import Ranks
from pipeline.learning.training.cost import Cost
from pipeline.learning.training.history import StepReport
from pipeline.learning.training.loop import Theta
from pipeline.model.checkpoint.checkpoint import Checkpoint, State, Tensors


def step(
    ranks: Ranks,
    theta: Theta,
    episodes: Sequence[Episode],
    gradient: Callable[[Sequence[Episode]], StepReport],
) -> StepReport:
    """Leave the mean gradient over all episodes in θ's `.grad`; return their common report.

    Args:
        ranks: who shares the episodes.
        theta: leaves whose `.grad` is None, the same on every rank.
        episodes: one step's, the same on every rank.
        gradient: adds the mean gradient over the episodes that it is given to θ's `.grad`.
    """
    if ranks.size == 1:
        return gradient(episodes)
    mine = ranks.share(episodes)
    own = asdict(gradient(mine)) if mine else None
    ranks.sum_gradients(theta.values(), weight=len(mine) / len(episodes))
    parts = [(weight, report) for weight, report in ranks.gather((len(mine), own)) if report]
    reports = [StepReport(**{**report, "cost": Cost(**report["cost"])}) for _, report in parts]
    return StepReport.pooled(reports, [weight for weight, _ in parts])


def validate(
    ranks: Ranks,
    episodes: Sequence[Episode],
    losses: Callable[[Sequence[Episode]], tuple[float, float]],
) -> tuple[float, float]:
    """Return the query sets' losses before and after adaptation, nats per token, over all episodes.

    Args:
        ranks: who shares the episodes.
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


class OneWriter:
    """A checkpoint that rank 0 writes and every rank reads."""

    def __init__(self, checkpoint: Checkpoint, ranks: Ranks) -> None:
        self._checkpoint = checkpoint
        self.ranks = ranks

    def load(self) -> tuple[Tensors, State] | None:
        """Return what was saved last, by any number of ranks.

        Raises:
            ModelError: it cannot be read.
            TrainingError: the ranks do not see the same file.
        """
        found = self._checkpoint.load()
        digest = found and sha256(json.dumps(found[1], sort_keys=True).encode()).hexdigest()
        if len(set(self.ranks.gather(digest))) > 1:
            raise TrainingError(
                f"{self._checkpoint.path}: not the same for every rank; all machines of a run "
                "must share this folder, or start without it"
            )
        return found

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint, on rank 0; the others wait."""
        if self.ranks.first:
            self._checkpoint.save(tensors, state)
        self.ranks.barrier()

    def delete(self) -> None:
        """Remove the checkpoint, on rank 0: the out is written. The others wait for that."""
        if self.ranks.first:
            self._checkpoint.delete()
        self.ranks.barrier()
