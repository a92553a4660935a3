"""The rate of each step and when training ends: constant, cosine, until valid is flat."""

import math

import pytest
import torch
from pydantic import ValidationError

from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.history import DialogueStep, adaptation
from pipeline.learning.training.learned import Learned
from pipeline.learning.training.loop import Session, run
from pipeline.learning.training.rate import Criterion, Schedule
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.params import Loop


TARGET = torch.tensor([3.0, -2.0])


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def plan(steps=40, best="lowest", **values):
    rest = {"warmup_steps": 4, "clip": 1e9, "validate_every": 5, "patience": 1, **values}
    return Schedule(0.1, steps, Loop.model_validate(rest), Criterion("valid_loss", best))


def quadratic(learned, step):
    loss = (learned.theta["w"] - TARGET).pow(2).sum()
    loss.backward()
    return DialogueStep(None, loss.item(), None, 2, 1, StepCost.zero())


def distance(learned):
    value = (learned.theta["w"].detach() - TARGET).pow(2).sum().item()
    return adaptation((value, value))


def train(schedule, step=quadratic, validate=distance, name="test"):
    checkpoint = Checkpoint(name, {"plan": repr(schedule)})
    return run(
        Learned({"w": torch.zeros(2)}), step, validate, schedule, Session(checkpoint, lambda *_: 0)
    )


def test_a_cosine_is_that_of_torch_after_the_warm_up():
    trained = train(plan(steps=24, schedule="cosine", patience=99))
    reference = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([reference], lr=0.1)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 4))
    for step in range(24):
        if step == 4:
            decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
        optimizer.zero_grad()
        quadratic(Learned({"w": reference}), step)
        optimizer.step()
        (warm if step < 4 else decay).step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)
    assert trained.progress.step == 24
    torch.testing.assert_close(trained.theta["w"], reference.detach(), rtol=1e-5, atol=1e-6)


FLAT = {"validations": 2, "gain": 0.5}
VALUES = (9.0, 5.0, 4.0, 3.9, 3.8, 3.7, 3.6, 3.5, 3.4, 3.3)  # at steps 0, 5, 10, ...


def valid(values=VALUES):
    left = iter(values)
    return lambda _: adaptation((next(left), 0.0))


def test_training_ends_where_valid_is_flat():
    trained = train(plan(until_flat=FLAT), validate=valid())
    # At step 20 the last two validations brought 4.0 - 3.8, at step 15 still 5.0 - 3.9.
    assert trained.progress.step == trained.progress.flat_at == 20


def test_until_flat_bears_more_than_patience():
    worse = (9.0, 5.0, 6.0, 6.0, 4.0, 6.0, 6.0, 6.0, 6.0)
    flat = {"validations": 4, "gain": 0.5}
    assert train(plan(until_flat=flat), validate=valid(worse), name="flat").progress.step == 40
    assert train(plan(), validate=valid(worse), name="patience").progress.step == 15


def test_the_steps_bound_it():
    trained = train(plan(steps=12, until_flat=FLAT), validate=valid())
    assert (trained.progress.step, trained.progress.flat_at) == (12, None)


def test_a_higher_criterion_may_be_flat_too():
    schedule = plan(until_flat=FLAT, best="highest")
    assert train(schedule, validate=valid([-v for v in VALUES])).progress.flat_at == 20


@pytest.mark.parametrize("decay", [8, 10])
def test_the_rate_stays_until_valid_is_flat_and_then_falls_to_zero(decay):
    schedule = plan(schedule="cosine", until_flat=FLAT | {"decay_steps": decay})
    trained = train(schedule, validate=valid())
    assert trained.progress.flat_at == 20
    assert trained.progress.step == 20 + decay
    assert trained.progress.history[-1]["valid_loss"] is not None  # the end is validated
    assert trained.progress.best_step == 20 + decay
    rates = [schedule.rate(step, 20) for step in range(20 + decay)]
    assert rates[3:20] == [0.1] * 17
    falling = [0.05 * (1 + math.cos(math.pi * n / decay)) for n in range(decay)]
    assert rates[20:] == pytest.approx(falling)


def test_the_rate_falls_within_the_steps_though_valid_is_not_flat():
    schedule = plan(schedule="cosine", until_flat=FLAT | {"decay_steps": 8})
    assert schedule.rate(32, None) == 0.1
    assert schedule.rate(36, None) == pytest.approx(0.05)
    assert schedule.rate(36, 35) == pytest.approx(0.05)  # flat too late for a whole decay
    assert schedule.last_step(35) == 40


@pytest.mark.parametrize("killed_at", [7, 13, 22, 26])
def test_a_killed_run_goes_on_to_the_same_bits(killed_at):
    schedule = plan(schedule="cosine", until_flat=FLAT | {"decay_steps": 8})

    def of_step(learned):  # a pure function of θ that is flat from the tenth step on
        return adaptation((max(1.0, 12 - learned.theta["w"].detach().norm().item() * 10), 0.0))

    whole = train(schedule, validate=of_step, name="whole")
    assert whole.progress.flat_at is not None
    assert whole.progress.step > 26

    def killed(learned, step):
        if step == killed_at:
            raise KeyboardInterrupt
        return quadratic(learned, step)

    with pytest.raises(KeyboardInterrupt):
        train(schedule, step=killed, validate=of_step)
    resumed = train(schedule, validate=of_step)
    assert torch.equal(resumed.theta["w"], whole.theta["w"])
    assert resumed.progress == whole.progress


@pytest.mark.parametrize(
    ("schedule", "decay", "said"),
    [("cosine", 0, "needs the steps in which"), ("constant", 5, "has no decay")],
)
def test_a_cosine_must_know_its_length(schedule, decay, said):
    with pytest.raises(ValidationError, match=said):
        plan(schedule=schedule, until_flat=FLAT | {"decay_steps": decay})
