"""The exact meta-step holds one θ, one gradient, one θ̂ and one cotangent; training no idle copy."""

import gc

import pytest
import torch

from benchmarks import ours
from benchmarks.dialogues import WTE, Size, episodes
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import maml
from pipeline.learning.task_loss.loss_gradients import LossGradients
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.loop import _LoopState
from pipeline.learning.training.rate import Criterion, Schedule
from pipeline.params import Loop


SIZE = Size(1, 24, 2, 700)
LOOP = Loop(warmup_steps=0, clip=1.0, validate_every=1, patience=1)


def copies(shape):
    """Storages of floats of this shape that something in Python holds."""
    gc.collect()
    tensors = [one for one in gc.get_objects() if type(one) in (torch.Tensor, torch.nn.Parameter)]
    return {
        one.untyped_storage().data_ptr()
        for one in tensors
        if one.shape == shape and one.device.type == "cpu"
    }


def in_a_step(monkeypatch, learner, optimizer, support_loss=0.0):
    """Copies of the plain table that a meta-step of two tasks adds, at each Hessian product."""
    shape = (SIZE.vocabulary, SIZE.width)
    before, added = copies(shape), []
    product = LossGradients.hessian_product

    def counted(at, vector):
        added.append(len(copies(shape) - before))
        return product(at, vector)

    monkeypatch.setattr(LossGradients, "hessian_product", counted)
    inner = InnerLoop(
        list(learner.theta), 0.01, 1, "exact", optimizer=optimizer, support_loss=support_loss
    )
    maml.meta_gradient(learner, learner.theta, episodes(SIZE, 2), inner)
    return added


def test_the_way_back_holds_the_gradient_and_the_cotangent_alone(monkeypatch):
    learner = ours.Exact(SIZE).learner
    assert in_a_step(monkeypatch, learner, "sgd") == [1, 2]  # cotangent; and `.grad` from then on


def test_a_gradient_is_kept_where_it_is_used_once_more(monkeypatch):
    learner = ours.Exact(SIZE).learner
    assert in_a_step(monkeypatch, learner, "sgd", support_loss=0.5) == [2, 3]


def test_a_fixed_base_is_never_copied(monkeypatch):
    learner = ours.Exact(SIZE, adapters=True).learner
    assert learner.fixed[WTE].shape == (SIZE.vocabulary, SIZE.width)
    assert in_a_step(monkeypatch, learner, "sgd") == [0, 0]


@pytest.mark.parametrize("trained", [True, False])
def test_training_copies_theta_once_before_its_first_step(trained):
    theta = {"w": torch.zeros(11, 13)} if trained else {}
    rates = {} if trained else {"w": torch.zeros(11, 13)}
    before = copies((11, 13))
    schedule = Schedule(0.1, 1, LOOP, Criterion("valid_loss", "lowest"))
    state = _LoopState(Learned(theta, rates), schedule)
    assert len(copies((11, 13)) - before) == 1
    assert state.best is state.start
