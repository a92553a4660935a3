"""The training loop: Adam, early stopping, history, and a resume that changes nothing."""

import math

import pytest
import torch

from pipeline.errors import DivergedError, TrainingError
from pipeline.learning.training.cost import StepCost
from pipeline.learning.training.history import HISTORY_COLUMNS, DialogueStep, adaptation
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


def schedule(steps=20, patience=100, every=5, clip=1e9, warmup=0, best="lowest"):
    loop = Loop(
        warmup_steps=warmup,
        clip=clip,
        validate_every=every,
        patience=patience,
    )
    return Schedule(lr=0.1, steps=steps, loop=loop, criterion=Criterion("valid_adapted_loss", best))


def quadratic(learned, step):
    theta = learned.theta
    noise = torch.randn(2, generator=torch.Generator().manual_seed(step))
    loss = (theta["w"] - TARGET + 0.1 * noise).pow(2).sum()
    loss.backward()
    return DialogueStep(None, loss.item(), None, 2, 1, StepCost(10, 100))


def distance(learned):
    value = (learned.theta["w"].detach() - TARGET).pow(2).sum().item()
    return adaptation((value, value / 2))


def train(plan, step=quadratic, validate=distance, name="test"):
    checkpoint = Checkpoint(name, {"plan": repr(plan)})
    start = Learned({"w": torch.zeros(2)})
    return run(start, step, validate, plan, Session(checkpoint, lambda *_: None))


def test_it_is_torch_adam_with_clipping_and_warm_up():
    trained = train(schedule(steps=12, every=1, clip=0.5, warmup=4))
    reference = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.Adam([reference], lr=0.1)
    for step in range(12):
        optimizer.zero_grad()
        quadratic(Learned({"w": reference}), step)
        torch.nn.utils.clip_grad_norm_([reference], 0.5)
        optimizer.param_groups[0]["lr"] = 0.1 * min(1, (step + 1) / 4)
        optimizer.step()
    assert torch.equal(trained.theta["w"], reference.detach())
    assert trained.progress.best_step == 12


def test_history_has_a_row_for_each_step_and_the_start():
    history = train(schedule()).progress.history
    assert [row["step"] for row in history] == list(range(21))
    assert all(tuple(row) == HISTORY_COLUMNS for row in history)
    assert [r["step"] for r in history if r["valid_loss"] is not None] == [0, 5, 10, 15, 20]
    assert history[0]["theta_change"] == 0
    assert history[-1]["theta_change"] == pytest.approx(
        math.sqrt(sum(x * x for x in train(schedule(every=20)).theta["w"].tolist())), rel=1e-6
    )
    assert history[-1]["adaptation_gain"] == pytest.approx(history[-1]["valid_loss"] / 2)


def test_counts_add_up():
    progress = train(schedule()).progress
    assert (progress.replies, progress.outer_replies) == (40, 20)
    assert (progress.tokens, progress.operations) == (200, 2000)


def test_the_best_theta_by_the_criterion_is_kept_and_patience_ends_the_run():
    values = iter([5.0, 4.0, 3.0, 6.0, 6.0, 6.0, 6.0, 6.0])
    seen = []

    def validate(learned):
        seen.append(learned.theta["w"].detach().clone())
        return adaptation((0.0, next(values)))

    trained = train(schedule(steps=100, patience=2), validate=validate)
    assert trained.progress.best_step == 10
    assert torch.equal(trained.theta["w"], seen[2])
    assert trained.progress.step == 25  # 10 was the best; 15, 20 and 25 were not


@pytest.mark.parametrize("killed_at", [6, 10, 19])
def test_a_killed_run_goes_on_to_the_same_bits(killed_at):
    whole = train(schedule(), name="whole")

    def killed(learned, step):
        if step == killed_at:
            raise KeyboardInterrupt
        return quadratic(learned, step)

    with pytest.raises(KeyboardInterrupt):
        train(schedule(), step=killed)
    resumed_steps = []

    def counted(learned, step):
        resumed_steps.append(step)
        return quadratic(learned, step)

    resumed = train(schedule(), step=counted)
    assert resumed_steps[0] == killed_at - killed_at % 5
    assert torch.equal(resumed.theta["w"], whole.theta["w"])
    assert resumed.progress == whole.progress


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_the_run(bad):
    def step(learned, number):
        report = quadratic(learned, number)
        return report if number < 3 else DialogueStep(None, bad, None, 0, 0, StepCost.zero())

    with pytest.raises(TrainingError, match=r"step 3: loss .* lower inner_lr"):
        train(schedule(), step=step)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_validation_that_is_not_finite_is_named_with_its_step_and_column(value):
    values = iter([5.0, value])
    with pytest.raises(DivergedError, match=rf"step 5: valid_adapted_loss is {value}; lower"):
        train(schedule(), validate=lambda _: adaptation((0.0, next(values))))
