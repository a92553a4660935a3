"""Fine-tuning: every fold starts from θ, and the optimizers are torch's own."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import ParamsError, TrainingError
from pipeline.learning.finetuning import updates as module
from pipeline.learning.finetuning.plan import Support
from pipeline.learning.finetuning.updates import finetune
from pipeline.learning.inner.adapt import adapt
from pipeline.learning.inner.inner_optimizers import Sgd
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.task_loss.loss_gradients import loss_gradients
from pipeline.model.sequences.batching import collate, whole
from pipeline.processes.device import folds_at_once
from tests.conftest import a_dialogue
from tests.support.finetuning import finetune_params


settings = finetune_params


def support(learner, count=3):
    return [learner.encoder.encode(a_dialogue(n)) for n in range(count)]


def run(learner, params, dialogues, key="f"):
    found = {0: learner.theta}
    for _, epoch, theta in finetune(learner, [Support(key, dialogues)], params):
        found[epoch] = {name: value.detach().clone() for name, value in theta.items()}
    return found


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["in_place", "extra_place"])
def test_folds_do_not_depend_on_their_order(make_learner, name):
    learner = make_learner(name)
    dialogues = support(learner)
    first = run(learner, settings(), dialogues[:2], "a")
    run(learner, settings(), dialogues[1:], "b")
    again = run(learner, settings(), dialogues[:2], "a")
    assert first.keys() == {0, 1, 3}
    assert all(same(first[epoch], again[epoch]) for epoch in first)
    assert same(first[0], learner.theta)
    assert not same(first[1], first[0])
    assert not same(first[3], first[1])


def test_one_dialogue_one_epoch_is_one_inner_step(make_learner):
    learner = make_learner(double=True)
    dialogues = support(learner, 1)
    found = run(learner, settings(epochs=[0, 1]), dialogues)[1]
    theta = {name: value.clone().requires_grad_() for name, value in learner.theta.items()}
    batch = collate(whole(dialogues[0]), torch.device("cpu"))
    rates = dict.fromkeys(theta, 0.05)
    expected = adapt(learner, theta, [batch], Descent(rates, Sgd())).theta_hat
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12)


def test_a_pass_needs_no_place_beside_old_gradients(make_learner, monkeypatch):
    """The peak of memory is a pass's: the last update's gradients are gone by then."""
    passes = []

    def looking(learner, theta, *rest):
        passes.append([name for name, value in theta.items() if value.grad is not None])
        return loss_gradients(learner, theta, *rest)

    monkeypatch.setattr(module, "loss_gradients", looking)
    learner = make_learner()
    run(learner, settings(), support(learner))
    assert passes == [[]] * 9  # three epochs of three dialogues


def test_adam_moves_every_tensor_by_its_rate(make_learner):
    learner = make_learner("extra_place")
    found = run(learner, settings(optimizer="adam", epochs=[0, 1], lr=0.01), support(learner, 1))
    moved = found[1]["h.0.attn.adapter.up.bias"] - found[0]["h.0.attn.adapter.up.bias"]
    torch.testing.assert_close(moved.abs(), torch.full_like(moved, 0.01), rtol=1e-3, atol=0)


def test_learned_rates_replace_the_rate_and_the_rest_stays(make_learner):
    learner = make_learner(double=True)
    rates = {"special.weight": 0.02, "h.1.mlp.c_fc.weight": 0.3}
    dialogues = support(learner, 1)
    params = settings(epochs=[0, 1], lr=0.7)
    found = run(replace(learner, inner_rates=rates), params, dialogues)[1]
    batch = collate(whole(dialogues[0]), torch.device("cpu"))
    expected = adapt(learner, learner.theta, [batch], Descent(rates, Sgd())).theta_hat
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12)
        assert torch.equal(found[name], learner.theta[name]) == (name not in rates)


def test_an_inner_set_without_learned_rates_moves_at_the_usual_rate(make_learner):
    learner = make_learner(double=True)
    dialogues = support(learner, 1)
    found = run(
        replace(learner, inner_rates={"special.weight": None}), settings(epochs=[0, 1]), dialogues
    )[1]
    usual = run(learner, settings(epochs=[0, 1]), dialogues)[1]
    for name, value in found.items():
        assert torch.equal(value, (usual if name == "special.weight" else learner.theta)[name])


def test_patterns_name_what_moves_and_the_rest_stays(make_learner):
    learner = make_learner("extra_place_unfixed", double=True)
    dialogues = support(learner, 1)
    found = run(learner, settings(epochs=[0, 1], parameters=["*adapter*"]), dialogues)[1]
    usual = run(learner, settings(epochs=[0, 1]), dialogues)[1]
    assert any("adapter" in name for name in found)
    for name, value in found.items():
        moves = "adapter" in name
        torch.testing.assert_close(value, (usual if moves else learner.theta)[name])
        assert moves or torch.equal(value, learner.theta[name])


def test_patterns_choose_among_what_the_inner_loop_moved(make_learner):
    learner = replace(make_learner(), inner_rates={"special.weight": None})
    with pytest.raises(ParamsError, match=r"finetune\.parameters: 'h\.\*' matches no tensor"):
        run(learner, settings(epochs=[0, 1], parameters=["h.*"]), support(learner))


def test_learned_rates_are_of_sgd(make_learner):
    learner = replace(make_learner(), inner_rates={"special.weight": 0.1})
    with pytest.raises(TrainingError, match="optimizer to sgd"):
        run(learner, settings(optimizer="adam"), support(learner))


def test_batches_of_replies_are_another_way_to_divide_an_epoch(make_learner):
    learner = make_learner()
    dialogues = support(learner)
    by_dialogue = run(learner, settings(epochs=[0, 1]), dialogues)[1]
    by_replies = run(learner, settings(epochs=[0, 1], batch_size=2), dialogues)[1]
    assert not same(by_dialogue, by_replies)


def test_no_support_no_adaptation(make_learner):
    learner = make_learner()
    assert list(run(learner, settings(), [])) == [0]


def test_only_theta_moves(make_learner):
    learner = make_learner("extra_place")
    fixed = {name: value.clone() for name, value in learner.fixed.items()}
    found = run(learner, settings(), support(learner))
    assert found[3].keys() == learner.theta.keys()
    assert same(fixed, learner.fixed)
    assert all("adapter" in name or name == "special.weight" for name in found[3])


def test_a_rate_that_diverges_is_named(make_learner):
    learner = make_learner()
    with pytest.raises(TrainingError, match=r"fold, epoch \d: loss (nan|inf); lower finetune.lr"):
        run(learner, settings(lr=1e9), support(learner), key="fold")


def test_how_many_folds_share_a_pass_is_the_devices_or_the_users(monkeypatch):
    monkeypatch.delenv("MAMLVIAPP_FOLDS_AT_ONCE", raising=False)
    assert [folds_at_once(torch.device(kind)) for kind in ("cpu", "cuda")] == [1, 16]
    monkeypatch.setenv("MAMLVIAPP_FOLDS_AT_ONCE", "5")
    assert [folds_at_once(torch.device(kind)) for kind in ("cpu", "cuda")] == [5, 5]
    monkeypatch.setenv("MAMLVIAPP_FOLDS_AT_ONCE", "0")
    with pytest.raises(TrainingError, match="a whole number from 1 to 9999"):
        folds_at_once(torch.device("cpu"))
