"""An inner Adam: forwards against torch.optim.Adam, back against autograd through closed forms."""

import pytest
import torch

from pipeline.learning.finetuning.plan import Support
from pipeline.learning.finetuning.updates import finetune
from pipeline.learning.inner.adapt import adapt
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.inner_optimizers import Adam
from pipeline.learning.inner.inner_step import Descent
from pipeline.learning.meta.maml import meta_gradient
from pipeline.model.sequences.batching import collate, whole
from pipeline.params import Finetune, read_yaml
from pipeline.params.patterns import matching
from tests.conftest import a_dialogue
from tests.support.episodes import CPU, episodes, leaves, several
from tests.support.patterns import PATTERNS
from tests.wiring.closure import ROOT


ALPHA, BETA_1, BETA_2, EPSILON = 0.003, 0.9, 0.999, 1e-8
STEPS = 3


def by_torch(learner, batches):
    """Return θ̂ as torch's own Adam makes it, a step on each batch."""
    copied = leaves(learner)
    optimizer = torch.optim.Adam(copied.values(), lr=ALPHA)
    for batch in batches:
        optimizer.zero_grad()
        learner.losses(copied, batch).sum().backward()
        optimizer.step()
    return copied


def direction_of(history):
    """Return Adam's direction for all gradients so far, as weighted sums: no recursion."""
    count = len(history)
    first = sum((1 - BETA_1) * BETA_1 ** (count - 1 - i) * g for i, g in enumerate(history))
    second = sum((1 - BETA_2) * BETA_2 ** (count - 1 - i) * g**2 for i, g in enumerate(history))
    second = second / (1 - BETA_2**count)
    root = torch.where(second > 0, second, 1.0).sqrt() * (second > 0)  # unseen positions have 0
    return first / (1 - BETA_1**count) / (root + EPSILON)


def unrolled(learner, drawn, theta, rates, *, exact, support_loss):
    """The outer loss by autograd alone."""
    total = torch.zeros((), dtype=torch.float64)
    for episode in drawn:
        hat, history = dict(theta), []
        for turn in range(STEPS):
            support = episode.supports[turn % len(episode.supports)]
            loss = learner.losses(hat, collate(support, CPU)).sum()
            moving = [hat[n] for n in rates]
            history.append(torch.autograd.grad(loss, moving, retain_graph=True, create_graph=exact))
            total = total + support_loss / STEPS * loss / len(drawn)
            so_far = zip(rates, zip(*history, strict=True), strict=True)
            steps = {n: rates[n] * direction_of(gradients) for n, gradients in so_far}
            hat = {n: v - steps[n] if n in steps else v for n, v in hat.items()}
        query = collate(episode.query, CPU)
        total = total + learner.losses(hat, query).sum() / len(drawn)
    return total


def test_inner_loop_is_torch_adam_on_a_copy(make_learner):
    learner = make_learner(double=True)
    batches = [collate(whole(learner.encoder.encode(a_dialogue(n))), CPU) for n in range(STEPS)]
    rates = dict.fromkeys(learner.theta, ALPHA)
    hat = adapt(learner, leaves(learner), batches, Descent(rates, Adam())).theta_hat
    for name, value in by_torch(learner, batches).items():
        torch.testing.assert_close(hat[name], value, rtol=1e-8, atol=1e-10)


def test_fine_tuning_takes_the_same_steps(make_learner):
    learner = make_learner(double=True)
    dialogues = [learner.encoder.encode(a_dialogue(n)) for n in range(2)]
    values = read_yaml(ROOT / "presets/embedded.yaml")["finetune"]
    values |= {"optimizer": "adam", "lr": ALPHA, "epochs": [0, 1], "batch_size": None}
    found = finetune(learner, [Support("a", tuple(dialogues))], Finetune(**values))
    fine_tuned = next(iter(found)).theta
    orders = [dialogues, dialogues[::-1]]  # as it draws one
    hats = [
        adapt(
            learner,
            leaves(learner),
            [collate(whole(d), CPU) for d in order],
            Descent(dict.fromkeys(learner.theta, ALPHA), Adam()),
        ).theta_hat
        for order in orders
    ]
    assert any(
        all(torch.allclose(fine_tuned[n], hat[n], rtol=1e-8, atol=1e-10) for n in hat)
        for hat in hats
    )


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("support_loss", [0.0, 0.7])
@pytest.mark.parametrize("moving", PATTERNS)
@pytest.mark.parametrize(("name", "draw"), [("in_place", episodes), ("extra_place", several)])
def test_way_back_is_the_plain_unrolling(
    make_learner, name, draw, moving, support_loss, learned, kind, recompute
):
    """With learned rates they differ from tensor to tensor."""
    learner = make_learner(name, double=True)
    drawn = draw(learner)
    theta = leaves(learner)
    moves = matching(theta, PATTERNS[moving], "meta_train.inner_parameters")
    options = {"recompute": recompute, "support_loss": support_loss}
    inner = InnerLoop(moves, ALPHA, STEPS, kind, tasks_at_once=2, optimizer="adam", **options)
    start = inner.start_of_log_rates(theta) if learned else {}
    different = {n: value - 0.1 * number for number, (n, value) in enumerate(start.items())}
    log_rates, logs = ({n: v.clone().requires_grad_() for n, v in different.items()} for _ in "ab")
    report = meta_gradient(learner, theta, drawn, inner, log_rates=log_rates)

    free = leaves(learner)
    values = {n: logs[n].exp() if learned else ALPHA for n in moves}
    way = {"exact": kind == "exact", "support_loss": support_loss}
    total = unrolled(learner, drawn, free, values, **way)
    total.backward()
    assert report.outer_loss == pytest.approx(total.item(), rel=1e-10)
    for n, value in free.items():
        torch.testing.assert_close(theta[n].grad, value.grad, rtol=1e-6, atol=1e-8)
    for n, value in logs.items():
        torch.testing.assert_close(log_rates[n].grad, value.grad, rtol=1e-6, atol=1e-10)


def test_exact_is_huge_where_a_gradient_vanishes(make_learner):
    """At Eq. 2's start the down-projections' gradients are 0, where Adam's u has slope 1/ε."""
    learner = make_learner("extra_place", double=True)
    start = {n: v * (".adapter.up." not in n) for n, v in learner.theta.items()}
    norms = {}
    for kind in ("exact", "first_order"):
        theta = {n: v.clone().requires_grad_() for n, v in start.items()}
        inner = InnerLoop(list(theta), ALPHA, 1, kind, optimizer="adam")
        meta_gradient(learner, theta, episodes(learner), inner)
        norms[kind] = torch.cat([v.grad.flatten() for v in theta.values()]).norm().item()
    assert norms["exact"] > 1000 * norms["first_order"]


def test_reptile_is_the_way_that_adam_went(make_learner):
    learner = make_learner(double=True)
    theta = leaves(learner)
    inner = InnerLoop(list(theta), ALPHA, 2, "reptile", optimizer="adam")
    (episode, *_) = episodes(learner)
    meta_gradient(learner, theta, [episode], inner)
    pieces = (episode.support, episode.support, episode.query)
    end = by_torch(learner, [collate(piece, CPU) for piece in pieces])
    for name, value in end.items():
        expected = (learner.theta[name] - value.detach()) / ALPHA
        # The gradient of the keys' biases is 0 but for rounding, which Adam divides by ε = 1e-8.
        torch.testing.assert_close(theta[name].grad, expected, rtol=1e-8, atol=1e-7)
