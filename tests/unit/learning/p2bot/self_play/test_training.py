"""Self-play's training: what moves, what is frozen, what is recorded, resuming."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import PipelineError
from pipeline.learning.p2bot.meetings import meeting
from pipeline.learning.p2bot.self_play import train
from pipeline.learning.p2bot.self_play.conversations import play
from pipeline.learning.p2bot.self_play.game import COLUMNS
from pipeline.learning.p2bot.self_play.judges import Judges
from pipeline.learning.p2bot.self_play.rewards import Rewards, returns, value_range
from pipeline.learning.task_loss.episodes import encode_tasks, generator
from pipeline.learning.training.history import history_csv
from pipeline.learning.training.loop import Session
from pipeline.model.checkpoint.checkpoint import Checkpoint
from tests.support.self_play import TASKS, leaves, supervised


def run(game, name="self-play", stop_after=None):
    parts = {"train": TASKS, "valid": TASKS[:1]}
    encoded = {split: encode_tasks(tasks, game.learner.encoder) for split, tasks in parts.items()}

    def on_step(number, _):
        if number == stop_after:
            raise PipelineError("killed")

    return train.run(game, TASKS, encoded, Session(Checkpoint(name, {}), on_step))


def test_frozen_models_are_bit_identical_after_training(make_game):
    game = make_game()
    before = [
        {name: value.clone() for name, value in tensors.items()}
        for tensors in (game.judges.receiver.theta, game.judges.receiver.phi, game.learner.theta)
    ]
    trained = run(game)
    after = (game.judges.receiver.theta, game.judges.receiver.phi, game.learner.theta)
    for old, new in zip(before, after, strict=True):
        assert all(torch.equal(old[name], new[name]) for name in old)
    assert trained.progress.step == 4


def test_history_has_every_column_and_validation_starts_with_the_transmitter(make_game):
    history = run(make_game()).progress.history
    assert all(tuple(row) == COLUMNS for row in history)
    assert [row["step"] for row in history if row["valid_nll"] is not None] == [0, 2, 4]


def test_validation_scales_by_the_transmitters_own_range(make_game):
    game = make_game()
    validation = train.Validation(game, TASKS, encode_tasks(TASKS[:1], game.learner.encoder))
    theta = {name: 1.3 * value for name, value in game.learner.theta.items()}
    span, talks = [], []
    for one in (game.learner.theta, theta):
        draw = generator(0, "self-play-valid")
        met = [meeting(TASKS, draw) for _ in range(2)]
        talks = play(game.learner, one, met, game.params, key="valid")
        perceived, _ = game.judges.perceived(talks)
        span.append(value_range(returns(perceived, game.params.gamma)))
    assert span[0] != span[1]
    rewards, _ = replace(game.judges, persona_range=span[0]).judge(talks)
    found = validation(theta)
    assert found["valid_reward"] == pytest.approx(rewards.total[:, ::2].mean().item())


def test_resuming_gives_what_an_uninterrupted_run_gives(make_game):
    whole = run(make_game(), "whole")
    with pytest.raises(PipelineError, match="killed"):
        run(make_game(), "cut", stop_after=3)
    resumed = run(make_game(), "cut")
    assert resumed.progress == whole.progress
    assert history_csv(resumed.progress.history) == history_csv(whole.progress.history)
    assert all(torch.equal(resumed.theta[name], whole.theta[name]) for name in whole.theta)


def test_with_probability_one_it_is_ordinary_training(make_game):
    game = make_game(supervised_probability=1.0)
    theta, reference = leaves(game), leaves(game)
    report = game.step(theta, 2, supervised(game))
    supervised(game)(reference, 2)
    assert report.row()["supervised"] == 1
    assert all(torch.equal(theta[name].grad, reference[name].grad) for name in theta)


class CountsEvenIds(Judges):
    """Rewards the share of even ids among those said: about a half before training, at most 1."""

    def judge(self, talks):
        shares = torch.tensor(
            [
                [sum(i % 2 == 0 for i in line.ids) / len(line.ids) for line in t.lines[1:]]
                for t in talks
            ]
        )
        zeros = torch.zeros_like(shares)
        weights = {"language": 1.0, "coherence": 0.0, "persona": 0.0, "penalty": 0.0}
        return Rewards(shares, None, zeros, zeros, weights), zeros


def test_thirty_steps_raise_a_toy_reward(make_game):
    game = make_game(
        CountsEvenIds, lr=0.02, steps=30, validate_every=30, supervised_probability=0.0,
        top_k=400, rollouts=8, no_repeat_ngram=6, turns=1,
    )  # fmt: skip
    rewards = [row["reward"] for row in run(game).progress.history[1:]]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:5]) / 5 + 0.2
