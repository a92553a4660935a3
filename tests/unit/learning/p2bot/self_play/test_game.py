"""Self-play: what learns and what does not, judges against direct computation, a resume."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ModelError, PipelineError
from pipeline.learning.data.episodes import encode_tasks, generator
from pipeline.learning.p2bot.meetings import Meeting, meeting
from pipeline.learning.p2bot.receiver.network import Receiver, relevance
from pipeline.learning.p2bot.self_play import train
from pipeline.learning.p2bot.self_play.conversations import FIRST, SECOND, distinct_2, play
from pipeline.learning.p2bot.self_play.game import COLUMNS, Game, pieces_of, utterance_nll
from pipeline.learning.p2bot.self_play.judges import Judges, head_of
from pipeline.learning.p2bot.self_play.rewards import Rewards, reinforce_loss, returns, value_range
from pipeline.learning.training.history import history_csv
from pipeline.learning.training.loop import Session
from pipeline.learning.training.supervised import supervised_step
from pipeline.model.base.tokenizer import SPECIAL_TOKENS
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.network.next_utterance import HEAD
from pipeline.params import SelfPlay
from pipeline.persona.task import PersonaTask
from tests.conftest import LINES, a_dialogue, tiny_gpt2


TASKS = [
    PersonaTask(task_id=f"t{i}", split="train", dialogues=[a_dialogue(i), a_dialogue(i + 5)])
    for i in range(4)
]
MET = Meeting((LINES[1], LINES[2]), (LINES[4],), LINES[0])


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def params(**values):
    given = {
        "lr": 0.001, "steps": 4, "warmup_steps": 0, "clip": 1.0, "validate_every": 2,
        "patience": 99, "turns": 2, "rollouts": 4, "valid_meetings": 2, "max_new_tokens": 5,
        "top_k": 20, "temperature": 1.5, "no_repeat_ngram": 2, "gamma": 0.5, "language": 0.5,
        "coherence": 0.1, "persona": 0.5, "penalty": 0.1, "supervised_probability": 0.25,
        "supervised_batch_size": 3,
    }  # fmt: skip
    return SelfPlay(**given | values)


def first_coordinate(states):
    return states[:, 0].sigmoid()


@pytest.fixture
def make_game(make_learner, tokenizer):
    def make(judges=None, **values):
        learner = make_learner()
        body = LanguageModel(
            tiny_gpt2(tokenizer, seed=3).transformer,
            num_special=len(SPECIAL_TOKENS),
            attention="sdpa",
        )
        receiver = Receiver(body, tokenizer)
        receiver.whiten(LINES)
        kind = judges or Judges
        made = kind(learner, receiver, first_coordinate, params(**values))
        return Game(learner, made, TASKS, params(**values), seed=0)

    return make


def supervised(game):
    encoded = encode_tasks(TASKS, game.learner.encoder)
    return supervised_step(game.learner, encoded, batch_size=3, seed=0)


def leaves(game):
    return {n: v.clone().requires_grad_() for n, v in game.learner.theta.items()}


def run(game, name="self-play", stop_after=None):
    parts = {"train": TASKS, "valid": TASKS[:1]}
    encoded = {split: encode_tasks(tasks, game.learner.encoder) for split, tasks in parts.items()}

    def on_step(number, _):
        if number == stop_after:
            raise PipelineError("killed")

    return train.run(game, TASKS, encoded, Session(Checkpoint(name, {}), on_step))


def test_sides_speak_in_turn_and_both_within_the_limit(make_game):
    game = make_game()
    for talk in play(game.learner, game.learner.theta, [MET] * 3, game.params, key="k"):
        assert len(talk.lines) == 1 + 2 * game.params.turns
        assert talk.lines[0].text == MET.opening
        assert all(1 <= len(line.ids) <= 5 for line in talk.lines[1:])
        assert all(line.closed or len(line.ids) == 5 for line in talk.lines[1:])


def test_rollouts_of_one_meeting_differ_and_the_key_decides(make_game):
    game = make_game()
    one, again, other = (
        play(game.learner, game.learner.theta, [MET] * 4, game.params, key=key)
        for key in ("k", "k", "other")
    )
    assert one == again != other
    assert len({talk.lines[1].ids for talk in one}) > 1


def test_the_second_side_is_greedy_given_the_same_history(make_game):
    game = make_game(turns=1, max_new_tokens=1, top_k=2)
    talks = play(game.learner, game.learner.theta, [MET] * 16, game.params, key="k")
    pairs = {(talk.lines[1].ids, talk.lines[2].ids) for talk in talks}
    assert len(pairs) == len({first for first, _ in pairs}) == 2


def test_utterance_nll_is_that_of_each_reply_alone(make_game):
    game = make_game()
    talks = play(game.learner, game.learner.theta, [MET] * 3, game.params, key="k")
    found = utterance_nll(game.learner, game.learner.theta, pieces_of(game.learner, talks, FIRST))
    parameters = game.learner.parameters(game.learner.theta)
    for row, talk in zip(found, talks, strict=True):
        window = talk.view(game.learner, FIRST).window
        ids = torch.tensor([window.ids])
        hidden = game.learner.model.hidden(parameters, ids).last_hidden_state[0]
        log_p = game.learner.model.logits(parameters, hidden).log_softmax(-1)
        for value, span in zip(row, window.spans, strict=True):
            own = [log_p[place - 1, window.ids[place]] for place in range(span.start, span.end)]
            torch.testing.assert_close(value, -torch.stack(own).mean(), rtol=1e-4, atol=1e-5)


def test_the_judges_against_direct_computation(make_game):
    game = make_game()
    judges = game.judges
    talks = play(game.learner, game.learner.theta, [MET] * 2, game.params, key="k")
    rewards, perceived = judges.judge(talks)
    receiver, talk = judges.receiver, talks[1]
    for place, line in enumerate(talk.lines[1:]):
        own = FIRST if place % 2 == 0 else SECOND
        persona = MET.first if own == FIRST else MET.second
        said, sentences = (receiver.embed(receiver.theta, t) for t in ([line.text], persona))
        expected = relevance(said, sentences).max()
        torch.testing.assert_close(perceived[1, place], expected, rtol=1e-3, atol=1e-3)
        ids = torch.tensor([[receiver.end_of_text, *line.ids]])
        hidden = receiver.model.hidden(receiver.phi, ids).last_hidden_state[0]
        log_p = receiver.model.logits(receiver.phi, hidden).log_softmax(-1)
        language = log_p[range(len(line.ids)), list(line.ids)].mean()
        torch.testing.assert_close(rewards.language[1, place], language, rtol=1e-4, atol=1e-4)
        view = talk.view(game.learner, own)
        ids = torch.tensor([view.window.ids[: view.closings[place // 2] + 1]])
        parameters = game.learner.parameters(game.learner.theta)
        state = game.learner.model.hidden(parameters, ids).last_hidden_state[:, -1]
        coherence = first_coordinate(state)[0] - 0.5
        torch.testing.assert_close(rewards.coherence[1, place], coherence, rtol=1e-4, atol=1e-5)


def test_the_own_persona_is_perceived_above_a_strangers_and_said_again_is_penalised(make_game):
    game = make_game()
    (talk,) = play(game.learner, game.learner.theta, [MET], game.params, key="k")
    lines = list(talk.lines)
    lines[1] = replace(lines[1], text=MET.first[0])
    own, _ = game.judges.perceived([replace(talk, lines=tuple(lines))])
    lines[1] = replace(lines[1], text=MET.second[0])
    strange, _ = game.judges.perceived([replace(talk, lines=tuple(lines))])
    assert own[0, 0] > strange[0, 0]
    assert own[0, 0].item() == pytest.approx(16 / 4)  # with itself: e·e / int(√16)
    lines[3] = lines[1]
    rewards, _ = game.judges.judge([replace(talk, lines=tuple(lines))])
    assert rewards.penalty[0, 2].item() == pytest.approx(1, abs=1e-5)


def test_coherence_is_judged_by_the_head_in_theta_where_there_is_one(make_learner):
    learner = make_learner()
    assert head_of(learner) is None
    weight = torch.tensor([[0.0, 1.0], [2.0, 1.0]])  # NotNext, IsNext
    found = head_of(replace(learner, theta={**learner.theta, HEAD: weight}))
    states = torch.tensor([[1.0, 5.0], [-1.0, 0.0], [0.0, 3.0]])
    expected = torch.sigmoid(torch.tensor([2.0, -2.0, 0.0]))  # 2: the rows' difference
    torch.testing.assert_close(found(states), expected)
    with pytest.raises(ModelError, match="only ranks candidates"):
        head_of(replace(learner, theta={**learner.theta, HEAD: weight[:1]}))


def test_only_the_first_sides_words_are_learned_from(make_game):
    """The step's gradient is that of the loss on the first side's utterances, and of no other."""
    game = make_game(supervised_probability=0.0)
    theta = leaves(game)
    report = game.step(theta, 0, supervised(game))
    assert report.row()["supervised"] == 0
    frozen = [*game.judges.receiver.theta.values(), *game.judges.receiver.phi.values()]
    assert not any(value.requires_grad for value in [*frozen, *game.learner.theta.values()])
    reference = leaves(game)
    talks = talks_of_step(game, 0)
    rewards, _ = game.judges.judge(talks)
    nll = utterance_nll(game.learner, reference, pieces_of(game.learner, talks, FIRST))
    reinforce_loss(nll, rewards.total[:, ::2]).backward()
    for name, value in theta.items():
        assert torch.equal(value.grad, reference[name].grad), name
    assert report.loss == pytest.approx(sum_of_products(nll, rewards))


def talks_of_step(game, number):
    draw = generator(game.seed, "self-play", number)
    draw.random()
    met = [meeting(game.tasks, draw)] * game.params.rollouts
    return play(game.learner, game.learner.theta, met, game.params, key=f"{game.seed}/{number}")


def sum_of_products(nll, rewards):
    total = rewards.total[:, ::2]
    return ((total - total.mean(0)) * nll.detach()).mean().item()


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


def test_distinct_2_counts_the_first_sides_bigrams(make_game):
    game = make_game()
    (talk,) = play(game.learner, game.learner.theta, [MET], game.params, key="k")
    lines = [replace(line, ids=(1, 2, 3)) for line in talk.lines]
    lines[2] = replace(lines[2], ids=(7, 8, 9))  # the other side's
    assert distinct_2([replace(talk, lines=tuple(lines))]) == 0.5
