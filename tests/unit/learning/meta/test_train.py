"""Meta-training put together: learned rates and inner sets reach the file, resuming is exact."""

import contextlib
from dataclasses import replace

import pytest
import torch

from pipeline.errors import DivergedError
from pipeline.learning.meta import maml, train
from pipeline.learning.meta.over_ranks import SharedCheckpoint
from pipeline.learning.task_loss.episodes import EncodedTask
from pipeline.learning.training.loop import Session
from pipeline.model.checkpoint.checkpoint import Checkpoint
from pipeline.params import MetaTrainParams, Settings, read_yaml
from pipeline.processes.ranks import Ranks
from tests.conftest import a_dialogue
from tests.wiring.closure import ROOT


def params(steps=4, **rest):
    values = read_yaml(ROOT / "presets/embedded.yaml")
    values |= {"outer_steps": steps, "outer_batch_size": 2, "inner_steps": 2}
    values["meta_train"] |= {"validate_every": 2, "valid_episodes": 1, "warmup_steps": 0} | rest
    return Settings(values, "test").view(MetaTrainParams)


def people(learner):
    encode = learner.encoder.encode
    tasks = [
        EncodedTask(f"p{i}", tuple(encode(a_dialogue(3 * i + j, turns=2)) for j in range(2)))
        for i in range(3)
    ]
    return {"train": tasks, "valid": tasks[:2]}


def run(learner, settings, name, *, stop=None):
    """Meta-train; `stop` raises after so many steps."""

    def on_step(number, _):
        if number == stop:
            raise KeyboardInterrupt

    session = Session(SharedCheckpoint(Checkpoint(name, {}), Ranks()), on_step)
    return train.run(learner, settings, people(learner), Ranks(), seed=0, session=session)


def test_rates_are_learned_and_kept(make_learner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    learner = make_learner()
    names = ["special.weight", "h.1.mlp.*"]
    trained, rates = run(learner, params(inner_parameters=names, learn_inner_lr=True), "a")
    assert trained.theta.keys() == learner.theta.keys()
    assert set(rates) == {"special.weight", *(n for n in learner.theta if n.startswith("h.1.mlp"))}
    alpha = params().inner_lr
    assert all(rate > 0 for rate in rates.values())
    assert any(abs(rate / alpha - 1) > 1e-4 for rate in rates.values())


def test_fixed_rates_over_all_of_theta_leave_nothing_to_remember(
    make_learner, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert run(make_learner(), params(), "a")[1] is None


def test_the_inner_optimizer_is_the_parameters_one(make_learner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sgd, adam = (
        run(make_learner(), params(inner_optimizer=kind), kind)[0].theta for kind in ("sgd", "adam")
    )
    assert any(not torch.equal(sgd[n], adam[n]) for n in sgd)


def test_a_run_with_learned_rates_that_was_interrupted_ends_in_the_same_bits(
    make_learner, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    settings = params(learn_inner_lr=True)
    whole, rates = run(make_learner(), settings, "whole")
    with contextlib.suppress(KeyboardInterrupt):
        run(make_learner(), settings, "cut", stop=3)
    again, rates_again = run(make_learner(), settings, "cut")
    assert rates == rates_again
    assert all(torch.equal(whole.theta[n], again.theta[n]) for n in whole.theta)
    assert whole.progress.history == again.progress.history


def test_support_losses_reach_the_outer_loop(make_learner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with_them, without = (
        run(make_learner(), params(steps=2, support_loss=weight), f"{weight}")[0]
        for weight in (0.5, 0.0)
    )
    assert with_them.progress.outer_replies == with_them.progress.replies
    assert without.progress.outer_replies < without.progress.replies
    assert not torch.equal(with_them.theta["wte.weight"], without.theta["wte.weight"])


def test_a_task_whose_loss_is_not_finite_is_named_with_its_step(
    make_learner, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    learner, gradient = make_learner(), maml.outer_gradient

    def spoilt(*args, **options):
        part = gradient(*args, **options)
        return replace(part, outer_losses=part.outer_losses * float("nan"))

    monkeypatch.setattr(maml, "outer_gradient", spoilt)
    with pytest.raises(DivergedError, match=r"step 0: task p\d: a loss is nan; lower inner_lr"):
        run(learner, params(), "a")
