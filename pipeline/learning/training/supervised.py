"""A supervised step: the gradient of a batch of recorded replies, pooled over personas.

Normal training (Section 4.2) consists of such steps; P² Bot's self-play has some between episodes.
"""

from collections.abc import Callable, Sequence

from pipeline.learning.task_loss import next_utterance
from pipeline.learning.task_loss.accumulate import accumulate
from pipeline.learning.task_loss.episodes import EncodedTask, reply_batch
from pipeline.learning.task_loss.loss_gradients import loss_gradients
from pipeline.learning.task_loss.theta import Theta
from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.history import DialogueStep
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece


SupervisedStep = Callable[[Theta, int], DialogueStep]  # of θ and the step's number


def supervised_step(
    learner: Learner, tasks: Sequence[EncodedTask], batch_size: int, seed: int
) -> SupervisedStep:
    """Return the function that adds the gradient of the n-th batch of the tasks' replies.

    Args:
        learner: f; its objective says whether replies have distractors.
        tasks: the personas.
        batch_size: replies.
        seed: of the replies' order and of the distractors.
    """
    dialogues = [dialogue for task in tasks for dialogue in task.dialogues]
    attach = next_utterance.attaching(learner.model.objective, seed)

    def step(theta: Theta, number: int) -> DialogueStep:
        pieces = reply_batch(dialogues, size=batch_size, seed=seed, step=number)
        return gradient(learner, theta, attach(pieces, number))

    return step


def gradient(learner: Learner, theta: Theta, pieces: Sequence[Piece]) -> DialogueStep:
    """Add the gradient of a batch's loss to the `.grad` of θ's leaves."""
    at = loss_gradients(learner, theta, learner.collate([pieces]), theta)
    accumulate(theta, at.gradients)
    replies = sum(len(piece.spans) for piece in pieces)
    return DialogueStep(
        inner_loss=None,
        outer_loss=at.losses.item(),
        inner_change=None,
        replies=replies,
        outer_replies=replies,
        cost=StepCost.plain(learner, pieces),
    )
