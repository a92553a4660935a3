"""Self-play: what learns and what does not, judges against direct computation, a resume."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.learning.p2bot.meetings import Meeting, meeting
from pipeline.learning.p2bot.receiver.network import relevance
from pipeline.learning.p2bot.self_play.conversations import FIRST, SECOND, distinct_2, play
from pipeline.learning.p2bot.self_play.game import pieces_of, utterance_nll
from pipeline.learning.p2bot.self_play.judges import head_of
from pipeline.learning.p2bot.self_play.rewards import reinforce_loss
from pipeline.learning.task_loss.episodes import generator
from pipeline.model.network.next_utterance import HEAD
from tests.conftest import LINES
from tests.support.self_play import first_coordinate, leaves, supervised


MET = Meeting((LINES[1], LINES[2]), (LINES[4],), LINES[0])


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
        hidden = game.learner.model.hidden(parameters, ids)[0]
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
        hidden = receiver.model.hidden(receiver.phi, ids)[0]
        log_p = receiver.model.logits(receiver.phi, hidden).log_softmax(-1)
        language = log_p[range(len(line.ids)), list(line.ids)].mean()
        torch.testing.assert_close(rewards.language[1, place], language, rtol=1e-4, atol=1e-4)
        view = talk.view(game.learner, own)
        ids = torch.tensor([view.window.ids[: view.closings[place // 2] + 1]])
        parameters = game.learner.parameters(game.learner.theta)
        state = game.learner.model.hidden(parameters, ids)[:, -1]
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


def test_distinct_2_counts_the_first_sides_bigrams(make_game):
    game = make_game()
    (talk,) = play(game.learner, game.learner.theta, [MET], game.params, key="k")
    lines = [replace(line, ids=(1, 2, 3)) for line in talk.lines]
    lines[2] = replace(lines[2], ids=(7, 8, 9))  # the other side's
    assert distinct_2([replace(talk, lines=tuple(lines))]) == 0.5
