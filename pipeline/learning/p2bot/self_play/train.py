"""Self-play as a whole: the game, validation on fixed meetings, supervised steps and Adam."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from pipeline.learning.p2bot.meetings import Meeting, meeting
from pipeline.learning.p2bot.receiver.network import Receiver
from pipeline.learning.p2bot.self_play.conversations import Talk, play
from pipeline.learning.p2bot.self_play.game import COLUMNS, Game, summary
from pipeline.learning.p2bot.self_play.judges import Judges, head_of
from pipeline.learning.p2bot.self_play.rewards import returns, value_range
from pipeline.learning.task_loss.episodes import EncodedTask, generator
from pipeline.learning.task_loss.theta import Theta
from pipeline.learning.training import loop
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.rate import Criterion, Schedule
from pipeline.learning.training.supervised import supervised_step
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import whole
from pipeline.params import SelfPlay
from pipeline.persona.task.record import PersonaTask


_AT_ONCE = 16  # dialogues in a pass that only reads


def game_of(
    learner: Learner,
    receiver: Receiver,
    tasks: Sequence[PersonaTask],
    params: SelfPlay,
    seed: int,
) -> Game:
    """Return the game of a trained transmitter, which is also one of its judges.

    Args:
        learner: f, and the transmitter's θ.
        receiver: the other judge.
        tasks: of split train; their personas meet.
        params: section `self_play`.
        seed: of meetings and samples.

    Raises:
        ModelError: the variant's head gives no probability of a single candidate.
    """
    return Game(learner, Judges(learner, receiver, head_of(learner), params), tasks, params, seed)


class Validation:
    """Fixed meetings of valid personas, with fixed samples, and the valid replies' likelihood.

    The persona reward is scaled by the range of the transmitter's own returns in these meetings,
    so that values of different steps can be compared.
    """

    def __init__(
        self, game: Game, tasks: Sequence[PersonaTask], encoded: Sequence[EncodedTask]
    ) -> None:
        self._game = game
        self._encoded = encoded
        draw = generator(0, "self-play-valid")
        self._meetings: list[Meeting] = [
            meeting(tasks, draw) for _ in range(game.params.valid_meetings)
        ]
        judges = game.judges
        perceived, _ = judges.perceived(self._play(judges.transmitter.theta))
        span = value_range(returns(perceived, game.params.gamma))
        self._judges = replace(judges, persona_range=span)

    def _play(self, theta: Theta) -> list[Talk]:
        game = self._game
        return play(game.learner, theta, self._meetings, game.params, key="valid")

    def __call__(self, theta: Theta) -> dict[str, float]:
        """Return the history's columns."""
        talks = self._play(theta)
        figures = summary(*self._judges.judge(talks), talks)
        columns = {f"valid_{name}": value for name, value in figures.items() if value is not None}
        del columns["valid_reward_std"]
        return columns | {"valid_nll": mean_nll(self._game.learner, theta, self._encoded)}


@torch.no_grad()
def mean_nll(learner: Learner, theta: Theta, tasks: Sequence[EncodedTask]) -> float:
    """Return the NLL of all recorded replies of some tasks: nats per token, closing included."""
    dialogues = [dialogue for task in tasks for dialogue in task.dialogues]
    total, count = 0.0, 0
    for first in range(0, len(dialogues), _AT_ONCE):
        pieces = [piece for one in dialogues[first : first + _AT_ONCE] for piece in whole(one)]
        batch = learner.collate([pieces])
        total += learner.token_nll(theta, batch).sum().item()
        count += len(batch.targets)
    return total / count


def run(
    game: Game,
    valid: Sequence[PersonaTask],
    encoded: Mapping[str, Sequence[EncodedTask]],
    session: loop.Session,
) -> loop.Trained:
    """Train by self-play; keep the θ with the highest reward on the fixed valid meetings.

    Args:
        game: the learner, its judges, the training personas.
        valid: the personas of the fixed meetings.
        encoded: the tasks of splits train (supervised steps) and valid (likelihood).
        session: keeps the run's state, is told of every step.

    Raises:
        DataError: fewer than two personas can meet.
        ModelError: a conversation does not fit into the context.
        TrainingError: a loss is not finite.
    """
    params = game.params
    validation = Validation(game, valid, encoded["valid"])
    supervised = supervised_step(
        game.learner, encoded["train"], params.supervised_batch_size, game.seed
    )
    criterion = Criterion("valid_reward", "highest")
    return loop.run(
        Learned(game.learner.theta),
        lambda learned, number: game.step(learned.theta, number, supervised),
        lambda learned: validation(learned.theta),
        Schedule(params.lr, params.steps, params, criterion, COLUMNS),
        session,
    )
