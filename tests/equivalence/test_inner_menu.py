"""ANIL, learned rates and support losses: each against autograd through the steps."""

import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import reference
from pipeline.learning.meta.maml import meta_gradient
from pipeline.model.sequences.batching import collate
from pipeline.params.patterns import matching
from tests.support.episodes import CPU, LR, episodes, plain_tasks, several
from tests.support.patterns import PATTERNS
from tests.support.plain_gpt2 import reference_loss


STEPS = 3


def unrolled(learner, drawn, outer, rates, moves, *, exact, support_loss):
    """The outer loss by autograd alone: subtract, go on, add the weighted support losses."""
    total = torch.zeros((), dtype=torch.float64)
    for episode in drawn:
        query = collate(episode.query, CPU)
        hat = dict(outer)
        for turn in range(STEPS):
            support = episode.supports[turn % len(episode.supports)]
            loss = learner.losses(hat, collate(support, CPU)).sum()
            moving = [hat[n] for n in moves]
            gradients = torch.autograd.grad(loss, moving, retain_graph=True, create_graph=exact)
            total = total + support_loss / STEPS * loss / 2
            step = {n: rates[n] * g for n, g in zip(moves, gradients, strict=True)}
            hat = {n: v - step[n] if n in step else v for n, v in hat.items()}
        total = total + learner.losses(hat, query).sum() / 2
    return total


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("support_loss", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("moving", PATTERNS)
@pytest.mark.parametrize("draw", [episodes, several])
@pytest.mark.parametrize("name", ["in_place", "extra_place"])
def test_menu_is_the_plain_unrolling(
    make_learner, name, draw, moving, support_loss, learned, kind, recompute
):
    learner = make_learner(name, double=True)
    drawn = draw(learner)
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    moves = matching(theta, PATTERNS[moving], "meta_train.inner_parameters")
    options = {"recompute": recompute, "support_loss": support_loss}
    inner = InnerLoop(moves, LR, STEPS, kind, tasks_at_once=2, **options)
    start = inner.start_of_log_rates(theta) if learned else {}
    log_rates, logs = ({n: v.clone().requires_grad_() for n, v in start.items()} for _ in "ab")
    report = meta_gradient(learner, theta, drawn, inner, log_rates=log_rates)

    free = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    values = {n: logs[n].exp() if learned else LR for n in moves}
    way = {"exact": kind == "exact", "support_loss": support_loss}
    total = unrolled(learner, drawn, free, values, moves, **way)
    total.backward()
    assert report.outer_loss == pytest.approx(total.item(), rel=1e-12)
    for n, value in free.items():
        torch.testing.assert_close(theta[n].grad, value.grad, rtol=1e-6, atol=1e-10)
    for n, value in logs.items():
        torch.testing.assert_close(log_rates[n].grad, value.grad, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize("name", ["in_place", "extra_place"])
def test_anil_is_the_reference_whose_theta_is_what_moves(make_learner, name, kind):
    """The rest of θ enters by the loss alone, and has its outer gradient from there."""
    learner = make_learner(name, double=True)
    drawn = several(learner)
    theta, free = ({n: v.clone().requires_grad_() for n, v in learner.theta.items()} for _ in "ab")
    moves = matching(theta, PATTERNS["anil"], "meta_train.inner_parameters")
    meta_gradient(learner, theta, drawn, InnerLoop(moves, LR, STEPS, kind))

    def loss(moving, pieces):
        return reference_loss(learner, {**free, **moving}, pieces)

    moving = {n: free[n] for n in moves}
    tasks = plain_tasks(drawn, STEPS)
    reference.outer_loss(moving, tasks, loss, LR, exact=kind == "exact").backward()
    for n, value in free.items():
        torch.testing.assert_close(theta[n].grad, value.grad, rtol=1e-6, atol=1e-9)


def test_what_does_not_move_still_learns(make_learner):
    """ANIL: the body has an outer gradient, also through the inner steps of the head."""
    learner = make_learner(double=True)
    gradients = []
    for kind in ("exact", "first_order"):
        theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
        inner = InnerLoop(["special.weight"], LR, 1, kind)
        meta_gradient(learner, theta, episodes(learner), inner)
        gradients.append(theta["h.0.mlp.c_fc.weight"].grad)
    assert (gradients[0] - gradients[1]).norm() > 1e-6 * gradients[0].norm()
    assert gradients[1].norm() > 0


def test_learned_rates_are_positive_and_start_at_alpha(make_learner):
    learner = make_learner()
    inner = InnerLoop(["special.weight"], 0.03, 1, "exact")
    logs = inner.start_of_log_rates(learner.theta)
    rates = inner.rates_for_finetuning(learner.theta, logs)
    assert rates == {"special.weight": pytest.approx(0.03)}
    logs["special.weight"] -= 100.0
    assert inner.rates_for_finetuning(learner.theta, logs)["special.weight"] > 0


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ParamsError, match=r"inner_parameters: 'h.9.\*' matches no tensor"):
        matching(["h.0.a", "h.1.b"], ["h.0.*", "h.9.*"], "meta_train.inner_parameters")


def test_the_query_loss_is_counted_once(make_learner):
    learner = make_learner()
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    inner = InnerLoop(list(theta), LR, STEPS, "first_order")
    report = meta_gradient(learner, theta, episodes(learner), inner)
    support, query = (
        sum(len(piece.ids) for e in episodes(learner) for piece in getattr(e, which))
        for which in ("support", "query")
    )
    assert report.cost.tokens == STEPS * support + query


def test_every_support_set_is_counted_as_often_as_it_is_seen(make_learner):
    """Of three steps the first task's two dialogues see two and one."""
    learner = make_learner()
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    drawn = several(learner)
    inner = InnerLoop(list(theta), LR, STEPS, "first_order")
    report = meta_gradient(learner, theta, drawn, inner)
    (one, other), (alone,) = (
        [sum(len(piece.ids) for piece in pieces) for pieces in e.supports] for e in drawn
    )
    query = sum(len(piece.ids) for e in drawn for piece in e.query)
    assert one != other
    assert report.cost.tokens == 2 * one + other + 3 * alone + query
    assert report.replies == sum(len(p.spans) for e in drawn for p in [*e.support, *e.query])


@pytest.mark.parametrize("support_loss", [0.0, 0.5])
def test_support_replies_count_as_outer_ones_where_their_loss_does(make_learner, support_loss):
    learner = make_learner()
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    drawn = several(learner)
    inner = InnerLoop(list(theta), LR, 2, "first_order", support_loss=support_loss)
    report = meta_gradient(learner, theta, drawn, inner)
    queried = sum(len(piece.spans) for e in drawn for piece in e.query)
    assert report.replies > queried
    assert report.outer_replies == (report.replies if support_loss else queried)
