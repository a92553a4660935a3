"""Meta-gradients against finite differences and against the plain reference, in float64.

The reference is `pipeline/learning/meta/reference.py`: autograd through all steps. Its loss is here
a second GPT-2, one reply at a time.
"""

import copy

import pytest
import torch

from pipeline.errors import ModelError
from pipeline.learning.inner.adapt import adapt
from pipeline.learning.inner.inner_optimizers import Sgd
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.inner.validation import validate
from pipeline.learning.meta import reference
from pipeline.learning.meta.maml import meta_gradient
from pipeline.model.sequences.batching import collate, whole
from tests.conftest import a_dialogue, learner_of
from tests.support.episodes import (
    CPU,
    LR,
    MATRIX,
    episodes,
    inner_of,
    leaves,
    ours,
    plain_tasks,
)
from tests.support.plain_gpt2 import reference_loss


def outer_loss(learner, theta, steps):
    """The value alone, for finite differences: no derivative of an inner step enters."""
    point = {name: value.detach().clone().requires_grad_() for name, value in theta.items()}
    tasks = plain_tasks(episodes(learner), steps)

    def loss(theta, pieces):
        return learner.losses(theta, collate(pieces, CPU)).sum()

    return reference.outer_loss(point, tasks, loss, LR, exact=False).item()


@pytest.mark.parametrize(("name", "steps", "options"), MATRIX)
def test_exact_gradient_is_the_finite_difference(make_learner, name, steps, options):
    """Central differences along random directions over all of θ at once."""
    learner = make_learner(name, double=True)
    gradient, report = ours(learner, "exact", steps, **options)
    assert report.outer_loss == pytest.approx(outer_loss(learner, learner.theta, steps), rel=1e-12)
    generator = torch.Generator().manual_seed(0)
    epsilon = 1e-5
    for _ in range(3):
        direction = {
            n: torch.randn(v.shape, generator=generator, dtype=v.dtype)
            for n, v in learner.theta.items()
        }
        plus, minus = (
            {n: v + sign * epsilon * direction[n] for n, v in learner.theta.items()}
            for sign in (1, -1)
        )
        difference = outer_loss(learner, plus, steps) - outer_loss(learner, minus, steps)
        expected = sum((gradient[n] * direction[n]).sum() for n in gradient).item()
        assert difference / (2 * epsilon) == pytest.approx(expected, rel=1e-6)


def test_exact_gradient_of_the_tied_table_entry_by_entry(make_learner):
    """The table is embedding and projection, before and after adaptation: four ways to matter."""
    learner = make_learner(double=True)
    gradient, _ = ours(learner, "exact", 1)
    seen = {t for e in episodes(learner) for p in [*e.support, *e.query] for t in p.ids}
    for name, row in (("wte.weight", min(seen)), ("special.weight", 5)):
        index = (row, 3)
        values = []
        for sign in (1, -1):
            theta = {n: v.clone() for n, v in learner.theta.items()}
            theta[name][index] += sign * 1e-5
            values.append(outer_loss(learner, theta, 1))
        expected = (values[0] - values[1]) / 2e-5
        assert gradient[name][index].item() == pytest.approx(expected, rel=1e-6)
        assert abs(expected) > 1e-6


@pytest.mark.parametrize(("name", "steps", "options"), MATRIX)
@pytest.mark.parametrize("kind", ["exact", "first_order"])
def test_gradient_is_the_references(make_learner, name, steps, kind, options):
    learner = make_learner(name, double=True)
    gradient, _ = ours(learner, kind, steps, **options)
    theta = leaves(learner)

    def loss(theta, pieces):
        return reference_loss(learner, theta, pieces)

    tasks = plain_tasks(episodes(learner), steps)
    reference.outer_loss(theta, tasks, loss, LR, exact=kind == "exact").backward()
    for name_, value in theta.items():
        torch.testing.assert_close(gradient[name_], value.grad, rtol=1e-6, atol=1e-9)


def test_exact_and_first_order_differ_and_agree_as_alpha_vanishes(make_learner):
    learner = make_learner(double=True)
    distances = []
    for lr in (LR, LR / 100):
        pair = []
        for kind in ("exact", "first_order"):
            theta = leaves(learner)
            meta_gradient(learner, theta, episodes(learner), inner_of(learner, kind, lr=lr))
            pair.append(torch.cat([v.grad.flatten() for v in theta.values()]))
        distances.append(((pair[0] - pair[1]).norm() / pair[0].norm()).item())
    assert distances[0] > 1e-3
    assert distances[1] < distances[0] / 50


def test_inner_loop_is_torch_sgd_on_a_copy(make_learner):
    learner = make_learner(double=True)
    support = collate(whole(learner.encoder.encode(a_dialogue())), CPU)
    copied = leaves(learner)
    optimizer = torch.optim.SGD(copied.values(), lr=LR)
    for _ in range(3):
        optimizer.zero_grad()
        learner.losses(copied, support).sum().backward()
        optimizer.step()
    rates = dict.fromkeys(learner.theta, LR)
    hat = adapt(learner, leaves(learner), [support] * 3, Descent(rates, Sgd())).theta_hat
    for name, value in copied.items():
        torch.testing.assert_close(hat[name], value, rtol=1e-12, atol=1e-12)


def test_reptile_is_the_way_that_sgd_went(make_learner):
    learner = make_learner(double=True)
    gradient, _ = ours(learner, "reptile", 2)
    expected = {name: torch.zeros_like(value) for name, value in learner.theta.items()}
    for episode in episodes(learner):
        copied = leaves(learner)
        optimizer = torch.optim.SGD(copied.values(), lr=LR)
        for pieces in (episode.support, episode.support, episode.query):
            optimizer.zero_grad()
            learner.losses(copied, collate(pieces, CPU)).sum().backward()
            optimizer.step()
        for name, value in copied.items():
            expected[name] += (learner.theta[name] - value.detach()) / LR / 2
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-9, atol=1e-9)


def test_a_batch_of_tasks_is_the_mean_of_its_tasks(make_learner):
    learner = make_learner("extra_place", double=True)
    together, _ = ours(learner, "exact", 1)
    mean = {name: torch.zeros_like(value) for name, value in learner.theta.items()}
    for episode in episodes(learner):
        theta = leaves(learner)
        meta_gradient(learner, theta, [episode], inner_of(learner))
        for name, value in theta.items():
            mean[name] += value.grad / 2
    for name, value in mean.items():
        torch.testing.assert_close(together[name], value, rtol=1e-10, atol=1e-12)


def test_the_learner_is_not_changed(make_learner):
    learner = make_learner(double=True)
    before = copy.deepcopy({**learner.fixed, **learner.theta})
    ours(learner, "exact", 3)
    for name, value in {**learner.fixed, **learner.theta}.items():
        assert torch.equal(value, before[name]), name


def test_fused_attention_is_refused_for_exact_gradients(make_learner):
    with pytest.raises(ModelError, match="no second derivative"):
        ours(make_learner(attention="sdpa"), "exact", 1)


def test_the_networks_own_checkpointing_is_refused_for_exact_gradients(make_learner):
    learner = make_learner()
    network = learner.model._trunk
    name = "activation_checkpointing_enable"  # what newer versions call it
    getattr(network, name, network.gradient_checkpointing_enable)()
    with pytest.raises(ModelError, match="wrong under the network's own gradient checkpointing"):
        ours(learner, "exact", 1)


@pytest.mark.parametrize("tasks", [1, 2])
@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_validation_is_the_loss_before_and_after_torchs_steps(make_learner, name, kind, tasks):
    learner = make_learner("extra_place", double=True)
    inner = inner_of(learner, steps=2, tasks_at_once=tasks, optimizer=name)
    found = validate(learner, learner.theta, episodes(learner), inner)
    sums, tokens = [0.0, 0.0], 0
    for episode in episodes(learner):
        query = collate(episode.query, CPU)
        support = collate(episode.support, CPU)
        copied = leaves(learner)
        optimizer = kind(copied.values(), lr=LR)
        for _ in range(2):
            optimizer.zero_grad()
            learner.losses(copied, support).sum().backward()
            optimizer.step()
        for i, theta in enumerate((learner.theta, copied)):
            sums[i] += learner.losses(theta, query).sum().item() * len(query.targets)
        tokens += len(query.targets)
    assert found == pytest.approx([total / tokens for total in sums], rel=1e-10)


@pytest.mark.parametrize("name", ["in_place", "extra_place"])
def test_low_precision_is_near_and_leaves_float32_gradients(tokenizer, name):
    learner = learner_of(tokenizer, name)
    low = learner_of(tokenizer, name, precision="bfloat16")
    exact, near = (
        torch.cat([g.flatten() for g in ours(one, "exact", 2)[0].values()])
        for one in (learner, low)
    )
    assert near.dtype == torch.float32
    assert 1e-6 < (exact - near).norm() / exact.norm() < 0.1
