"""A run of self-play: what is watched on valid, and the training loop around it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline.learning.data.episodes import EncodedTask, generator
from pipeline.learning.p2bot.meetings import Meeting, meeting
from pipeline.learning.p2bot.self_play.conversations import Talk, play
from pipeline.learning.p2bot.self_play.episode import COLUMNS, Game, Supervised, summary
from pipeline.learning.p2bot.self_play.rewards import returns, value_range
from pipeline.learning.training import loop
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import collate, whole
from pipeline.persona.task import PersonaTask


_AT_ONCE = 16  # dialogues in a pass that only reads


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

    def _play(self, theta: Mapping[str, Tensor]) -> list[Talk]:
        game = self._game
        return play(game.learner, theta, self._meetings, game.params, key="valid")

    def __call__(self, theta: loop.Theta) -> dict[str, float]:
        """Return the history's columns."""
        talks = self._play(theta)
        found = summary(*self._judges.judge(talks), talks)
        columns = {f"valid_{name}": value for name, value in found.items() if value is not None}
        del columns["valid_reward_std"]
        return columns | {"valid_nll": mean_nll(self._game.learner, theta, self._encoded)}


@torch.no_grad()
def mean_nll(learner: Learner, theta: loop.Theta, tasks: Sequence[EncodedTask]) -> float:
    """Return the NLL of all recorded replies of some tasks: nats per token, closing included."""
    dialogues = [dialogue for task in tasks for dialogue in task.dialogues]
    total, count = 0.0, 0
    for first in range(0, len(dialogues), _AT_ONCE):
        pieces = [piece for one in dialogues[first : first + _AT_ONCE] for piece in whole(one)]
        batch = collate(pieces, learner.device)
        total += learner.token_nll(theta, batch).sum().item()
        count += len(batch.targets)
    return total / count


def run(
    game: Game,
    validation: Validation,
    supervised: Supervised,
    *,
    checkpoint: loop.Kept,
    on_step: loop.OnStep,
) -> loop.Trained:
    """Train by self-play; keep the θ with the highest reward on the fixed valid meetings.

    Raises:
        DataError: fewer than two personas can meet.
        ModelError: a conversation does not fit into the context.
        TrainingError: a loss is not finite.
    """
    params = game.params
    return loop.run(
        game.learner.theta,
        lambda theta, number: game.step(theta, number, supervised),
        validation,
        loop.Schedule(
            params.lr, params.steps, params, "valid_reward", highest=True, columns=COLUMNS
        ),
        checkpoint=checkpoint,
        on_step=on_step,
    )
