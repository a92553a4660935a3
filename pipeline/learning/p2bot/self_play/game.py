"""A step of P² Bot's self-play: a game, which is a policy gradient on conversations.

Both sides speak by the same θ; only the first side's utterances are learned from. The rollouts are
sampled without gradients and then read once more, with gradients, for their probability. Some
steps are supervised ones instead.

R rollouts, T utterances of each side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from pipeline.learning.p2bot.meetings import meeting
from pipeline.learning.p2bot.self_play.conversations import (
    FIRST,
    SECOND,
    Talk,
    distinct_2,
    mean_length,
    play,
)
from pipeline.learning.p2bot.self_play.judges import Judges, mean_by_span
from pipeline.learning.p2bot.self_play.rewards import Rewards, reinforce_loss
from pipeline.learning.task_loss.episodes import generator
from pipeline.learning.task_loss.theta import Theta
from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.history import TrainingStep
from pipeline.learning.training.supervised import SupervisedStep
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece
from pipeline.params import SelfPlay
from pipeline.persona.task.record import PersonaTask


COLUMNS = (
    "step",
    "supervised",  # 1: a batch of recorded replies in the place of a game
    "loss",  # that moved θ
    "reward",  # the first side's mean total; the persona reward in it is scaled in each game
    "language",  # each reward's mean over the first side's utterances, before weighing
    "coherence",
    "persona",  # max_p M[u, p], before discounting and scaling
    "penalty",
    "reward_std",  # of the total over rollouts, mean over turns
    "reply_length",  # tokens
    "distinct_2",  # share of distinct bigrams in a game
    "grad_norm",  # before clipping
    "theta_change",  # ‖θ - θ_0‖ after the step
    "valid_reward",  # as `reward`, on fixed meetings, persona scaled by the transmitter's range
    "valid_language",
    "valid_coherence",
    "valid_persona",
    "valid_penalty",
    "valid_reply_length",
    "valid_distinct_2",
    "valid_nll",  # of the recorded replies of split valid, nats per token, closing tokens included
)


@dataclass(frozen=True)
class SelfPlayStep:
    """A step of self-play: what it did besides adding its gradient."""

    loss: float
    columns: Mapping[str, float | None]
    replies: int
    outer_replies: int
    cost: StepCost

    def row(self) -> dict[str, float | None]:
        """Return the history's columns."""
        return {"loss": self.loss, **self.columns}


@dataclass(frozen=True)
class Game:
    """The learner, its judges, who may meet, and how."""

    learner: Learner
    judges: Judges
    tasks: Sequence[PersonaTask]  # of split train
    params: SelfPlay
    seed: int

    def step(self, theta: Theta, number: int, supervised: SupervisedStep) -> TrainingStep:
        """Add the gradient of one game, or of one supervised step, to the `.grad` of θ's leaves."""
        draw = generator(self.seed, "self-play", number)
        if draw.random() < self.params.supervised_probability:
            done = supervised(theta, number)
            return SelfPlayStep(
                done.loss, {"supervised": 1}, done.replies, done.outer_replies, done.cost
            )
        met = [meeting(self.tasks, draw)] * self.params.rollouts
        key = f"{self.seed}/{number}"
        talks = play(self.learner, theta, met, self.params, key=key)
        rewards, perceived = self.judges.judge(talks)
        pieces = pieces_of(self.learner, talks, FIRST)
        nll = utterance_nll(self.learner, theta, pieces)
        loss = reinforce_loss(nll, rewards.total[:, ::2])
        loss.backward()
        replies = len(talks) * self.params.turns
        columns = {"supervised": 0, **summary(rewards, perceived, talks)}
        return SelfPlayStep(loss.item(), columns, replies, replies, self._cost(talks, pieces))

    def _cost(self, talks: Sequence[Talk], pieces: Sequence[Piece]) -> StepCost:
        """Count speaking and learning, not the judges: they are no part of the variant."""
        spoken = [*pieces, *pieces_of(self.learner, talks, SECOND)]
        return StepCost.reading(self.learner, spoken) + StepCost.plain(self.learner, pieces)


def pieces_of(learner: Learner, talks: Sequence[Talk], own: int) -> list[Piece]:
    """Return each conversation as one side's window, its utterances the replies."""
    windows = [talk.view(learner, own).window for talk in talks]
    return [Piece(window, window.spans) for window in windows]


def utterance_nll(learner: Learner, theta: Theta, pieces: Sequence[Piece]) -> Tensor:
    """Return each utterance's NLL per token under θ, (R, T), nats; with gradients.

    By the model's own distribution: temperature, top-k and the block of bigrams are not applied,
    as in P² Bot, which makes the gradient slightly off the sampled policy's.
    """
    nll = learner.token_nll(theta, learner.collate([pieces]))
    return mean_by_span(nll, [piece.window for piece in pieces]).view(len(pieces), -1)


def summary(rewards: Rewards, perceived: Tensor, talks: Sequence[Talk]) -> dict[str, float | None]:
    """Return the first side's mean rewards and what its utterances are like."""
    total = rewards.total[:, ::2]
    coherence = rewards.coherence
    return {
        "reward": total.mean().item(),
        "language": rewards.language[:, ::2].mean().item(),
        "coherence": None if coherence is None else coherence[:, ::2].mean().item(),
        "persona": perceived[:, ::2].mean().item(),
        "penalty": rewards.penalty[:, ::2].mean().item(),
        "reward_std": total.std(0, correction=0).mean().item(),
        "reply_length": mean_length(talks),
        "distinct_2": distinct_2(talks),
    }
