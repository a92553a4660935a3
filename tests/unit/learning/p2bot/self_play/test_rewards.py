"""The rewards on cases made by hand: sign, credit, baseline."""

import pytest
import torch

from pipeline.learning.p2bot.self_play.rewards import (
    TOP,
    Rewards,
    advantages,
    reinforce_loss,
    repetition,
    returns,
    scaled,
    value_range,
)


WEIGHTS = {"language": 0.5, "coherence": 0.1, "persona": 0.5, "penalty": 0.1}


def rewards(**parts):
    zeros = torch.zeros(2, 4)
    given = dict.fromkeys(("language", "coherence", "persona", "penalty"), zeros) | parts
    return Rewards(**given, weights=WEIGHTS)


def test_what_the_other_side_shows_is_credited_with_the_discount():
    base = returns(torch.zeros(1, 6), 0.5)
    raised = returns(torch.tensor([[0.0, 1, 0, 0, 0, 0]]), 0.5)  # A1, B1, A2, B2, A3, B3: only B1
    assert (raised - base).tolist() == [[0.5, 1, 0, 0, 0, 0]]


def test_returns_by_hand_and_without_discount():
    perceived = torch.tensor([[1.0, 2.0, 4.0], [0.0, 1.0, 0.0]])
    assert returns(perceived, 0.5).tolist() == [[3.0, 4.0, 4.0], [0.5, 1.0, 0.0]]
    assert torch.equal(returns(perceived, 0.0), perceived)


def test_scaling_goes_from_zero_to_the_top_and_survives_equal_values():
    values = torch.tensor([[-3.0, 1.0], [0.0, 5.0]])
    assert scaled(values, value_range(values)).tolist() == [[0.0, TOP / 2], [TOP * 3 / 8, TOP]]
    same = torch.full((2, 2), 7.0)
    assert scaled(same, value_range(same)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_repetition_is_the_largest_cosine_with_anything_earlier():
    a, b = [1.0, 0.0], [0.0, 2.0]
    found = repetition(torch.tensor([[a, b, [3.0, 0.0], [-1.0, 0.0], b]]))
    torch.testing.assert_close(found, torch.tensor([[0.0, 1.0, 0.0, 1.0]]))
    ahead = repetition(torch.tensor([[a, b, b], [a, b, a]]))
    assert ahead[:, 0].tolist() == [0.0, 0.0]  # what is said later does not count


@pytest.mark.parametrize(
    ("part", "sign"), [("language", 1), ("coherence", 1), ("persona", 1), ("penalty", -1)]
)
def test_each_reward_counts_with_its_weight_and_sign(part, sign):
    change = torch.zeros(2, 4)
    change[1, 2] = 1.0
    difference = rewards(**{part: change}).total - rewards().total
    torch.testing.assert_close(difference, sign * WEIGHTS[part] * change)


def test_without_a_head_the_weight_of_coherence_is_idle():
    parts = {"language": torch.randn(2, 4), "coherence": None}
    assert torch.equal(rewards(**parts).total, 0.5 * parts["language"])


def test_advantages_sum_to_zero_in_every_turn():
    total = torch.randn(6, 3, dtype=torch.float64)
    assert advantages(total).sum(0).abs().max() < 1e-12
    assert torch.equal(advantages(torch.ones(6, 3)), torch.zeros(6, 3))


def test_equal_rewards_move_nothing():
    nll = torch.randn(6, 3, requires_grad=True)
    reinforce_loss(nll, torch.full((6, 3), -2.5)).backward()
    assert nll.grad.abs().max() == 0


def test_the_better_rollout_becomes_likelier_and_the_others_less():
    logits = torch.zeros(3, requires_grad=True)  # one utterance of one token, three rollouts
    chosen, total = torch.tensor([0, 1, 2]), torch.tensor([[1.0], [0.0], [0.0]])
    reinforce_loss(-logits.log_softmax(0)[chosen][:, None], total).backward()
    after = (logits - 0.1 * logits.grad).detach().softmax(0)
    assert after[0] > 1 / 3
    assert (after[1:] < 1 / 3).all()


def test_the_gradient_is_that_of_the_expected_reward():
    """Over all pairs of samples of a three-token policy, against finite differences."""
    logits = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    worth = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)

    def expected(values):
        return (values.softmax(0) * worth).sum()

    gradient = torch.zeros(3, dtype=torch.float64)
    for i in range(3):
        for j in range(3):
            nll = -logits.log_softmax(0)[[i, j]][:, None]
            loss = reinforce_loss(nll, worth[[i, j]][:, None])
            chance = logits.softmax(0)[[i, j]].prod().detach()
            gradient += chance * torch.autograd.grad(loss, logits)[0]
    step = 1e-6 * torch.eye(3, dtype=torch.float64)
    base = logits.detach()
    numeric = torch.stack([(expected(base + s) - expected(base - s)) / 2e-6 for s in step])
    # A baseline that holds the sample itself scales the gradient by (R - 1) / R.
    torch.testing.assert_close(gradient, -numeric / 2, rtol=1e-6, atol=1e-9)
