"""The tied table's gradient in two parts, against autograd's own sum of them."""

import pytest
import torch

from pipeline.learning.inner.inner_optimizers import Sgd
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.task_loss.loss_gradients import loss_gradients
from pipeline.model.sequences.batching import collate, whole
from tests.conftest import a_dialogue


RATE = 0.5


def start(make_learner, name):
    """Return a learner in float64, θ as leaves, and a batch of two dialogues, padded."""
    learner = make_learner(name, double=True)
    windows = [learner.encoder.encode(a_dialogue(n))[0] for n in range(2)]
    theta = {n: v.detach().clone().requires_grad_() for n, v in learner.theta.items()}
    return learner, theta, collate(whole(windows), torch.device("cpu"))


@pytest.mark.parametrize("name", ["in_place", "extra_place_unfixed", "extra_place"])
def test_first_derivative_is_autograds(make_learner, name):
    learner, theta, batch = start(make_learner, name)
    loss = learner.losses(theta, batch).sum()
    expected = torch.autograd.grad(loss, list(theta.values()))
    step = loss_gradients(learner, theta, batch, theta)
    assert step.gradients.keys() == theta.keys()
    for value, found in zip(expected, step.gradients.values(), strict=True):
        torch.testing.assert_close(found, value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("moves_table", [True, False])
@pytest.mark.parametrize("name", ["in_place", "extra_place_unfixed"])
def test_second_derivative_is_autograds(make_learner, name, moves_table):
    """By all of θ, also where the table itself stays in the inner loop (ANIL)."""
    learner, theta, batch = start(make_learner, name)
    moves = [n for n in theta if n != learner.model.table or moves_table]
    generator = torch.Generator().manual_seed(0)
    cotangent = {n: torch.randn(v.shape, generator=generator).double() for n, v in theta.items()}
    loss = learner.losses(theta, batch).sum()
    first = torch.autograd.grad(loss, [theta[n] for n in moves], create_graph=True)
    product = sum((g * cotangent[n]).sum() for n, g in zip(moves, first, strict=True))
    second = torch.autograd.grad(product, list(theta.values()))
    step = loss_gradients(learner, theta, batch, moves, twice=True)
    found, _ = Descent(dict.fromkeys(moves, RATE), Sgd()).pull_back(step, None, cotangent, None)
    for (n, value), hessian in zip(found.items(), second, strict=True):
        expected = cotangent[n] - RATE * hessian
        torch.testing.assert_close(value, expected, rtol=1e-10, atol=1e-12)


def test_what_does_not_move_asks_for_no_gradient(make_learner):
    """ANIL's first-order steps and its fine-tuning make no table."""
    learner, theta, batch = start(make_learner, "in_place")
    step = loss_gradients(learner, theta, batch, ["ln_f.weight"])
    assert step.gradients.keys() == {"ln_f.weight"}
    assert [name for name, value in step.theta.items() if value.requires_grad] == ["ln_f.weight"]
