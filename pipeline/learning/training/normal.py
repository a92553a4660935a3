"""Normal training (Section 4.2): the gradient of a batch of replies, pooled over personas."""

from collections.abc import Sequence

from pipeline.learning.gradients.accumulate import accumulate
from pipeline.learning.gradients.loss_gradients import Theta, loss_gradients
from pipeline.learning.training.cost import Cost
from pipeline.learning.training.history import StepReport
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece, collate


def gradient(learner: Learner, theta: Theta, pieces: Sequence[Piece]) -> StepReport:
    """Add the gradient of a batch's loss to `theta`'s `.grad`."""
    batch = collate(pieces, learner.device)
    found = loss_gradients(learner, theta, batch, theta)
    accumulate(theta, found.gradients)
    replies = sum(len(piece.spans) for piece in pieces)
    return StepReport(
        inner_loss=None,
        outer_loss=found.losses.item(),
        inner_change=None,
        replies=replies,
        outer_replies=replies,
        cost=Cost.plain(learner, pieces),
    )
