"""ANIL, learned rates, multi-step and support losses: each against autograd through the steps."""

import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.inner.inner_rates import InnerRates, inner_set
from pipeline.learning.meta.maml import meta_gradient
from pipeline.model.sequences.batching import collate
from tests.support.episodes import CPU, LR, episodes, several
from tests.support.patterns import PATTERNS


STEPS = 3


def unrolled(learner, drawn, outer, rates, moves, weights, *, exact, support_loss):
    """The outer loss by autograd alone: subtract, go on, sum up the weighted losses."""
    total = torch.zeros((), dtype=torch.float64)
    for episode in drawn:
        query = collate(episode.query, CPU)
        hat = dict(outer)
        for turn, weight in enumerate(weights):
            support = episode.supports[turn % len(episode.supports)]
            loss = learner.losses(hat, collate(support, CPU)).sum()
            moving = [hat[n] for n in moves]
            gradients = torch.autograd.grad(loss, moving, retain_graph=True, create_graph=exact)
            total = total + support_loss / len(weights) * loss / 2
            step = {n: rates[n] * g for n, g in zip(moves, gradients, strict=True)}
            hat = {n: v - step[n] if n in step else v for n, v in hat.items()}
            if weight:
                total = total + weight * learner.losses(hat, query).sum() / 2
    return total


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize(("anneal", "support_loss"), [(0, 0.0), (8, 0.0), (0, 1.0), (8, 0.7)])
@pytest.mark.parametrize("moving", PATTERNS)
@pytest.mark.parametrize("draw", [episodes, several])
@pytest.mark.parametrize("name", ["in_place", "extra_place"])
def test_menu_is_the_plain_unrolling(
    make_learner, name, draw, moving, anneal, support_loss, learned, kind, recompute
):
    learner = make_learner(name, double=True)
    drawn = draw(learner)
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    moves = inner_set(theta, PATTERNS[moving])
    rates = InnerRates(moves, LR, learned)
    outer = {n: v.detach().requires_grad_() for n, v in rates.start(theta).items()}
    options = {"anneal": anneal, "recompute": recompute, "support_loss": support_loss}
    inner = InnerLoop(rates, STEPS, kind, tasks_at_once=2, **options)
    report = meta_gradient(learner, outer, drawn, inner, step=2)

    free, logs = rates.split({n: v.detach().clone().requires_grad_() for n, v in outer.items()})
    values = {n: logs[n].exp() if learned else LR for n in moves}
    weights = inner.weights(2)
    assert sum(weights) == pytest.approx(1)
    way = {"exact": kind == "exact", "support_loss": support_loss}
    total = unrolled(learner, drawn, free, values, moves, weights, **way)
    total.backward()
    assert report.outer_loss == pytest.approx(total.item(), rel=1e-12)
    found, found_logs = rates.split(outer)
    for n, value in free.items():
        torch.testing.assert_close(found[n].grad, value.grad, rtol=1e-6, atol=1e-10)
    for n, value in logs.items():
        torch.testing.assert_close(found_logs[n].grad, value.grad, rtol=1e-6, atol=1e-12)


def test_what_does_not_move_still_learns(make_learner):
    """ANIL: the body has an outer gradient, also through the inner steps of the head."""
    learner = make_learner(double=True)
    gradients = []
    for kind in ("exact", "first_order"):
        theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
        inner = InnerLoop(InnerRates(["special.weight"], LR), 1, kind)
        meta_gradient(learner, theta, episodes(learner), inner)
        gradients.append(theta["h.0.mlp.c_fc.weight"].grad)
    assert (gradients[0] - gradients[1]).norm() > 1e-6 * gradients[0].norm()
    assert gradients[1].norm() > 0


def test_weights_fade_to_the_last_step():
    inner = InnerLoop(InnerRates([], LR), 4, "exact", anneal=10)
    assert inner.weights(0) == pytest.approx([0.25] * 4)
    assert inner.weights(5) == pytest.approx([0.125, 0.125, 0.125, 0.625])
    assert inner.weights(10) == inner.weights(99) == (0.0, 0.0, 0.0, 1.0)
    assert InnerLoop(InnerRates([], LR), 3, "exact").weights(0) == (0.0, 0.0, 1.0)


def test_learned_rates_are_positive_and_start_at_alpha(make_learner):
    learner = make_learner()
    rates = InnerRates(["special.weight"], 0.03, learned=True)
    outer = rates.start(learner.theta)
    assert rates.found(outer) == {"special.weight": pytest.approx(0.03)}
    outer["log_inner_lr/special.weight"] -= 100.0
    assert rates.found(outer)["special.weight"] > 0


def test_a_pattern_that_matches_nothing_is_refused():
    with pytest.raises(ParamsError, match=r"inner_parameters: 'h.9.\*' matches no tensor"):
        inner_set(["h.0.a", "h.1.b"], ["h.0.*", "h.9.*"])


@pytest.mark.parametrize(("anneal", "queries"), [(0, 1), (8, STEPS)])
def test_every_query_loss_is_counted(make_learner, anneal, queries):
    learner = make_learner()
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    inner = InnerLoop(InnerRates(list(theta), LR), STEPS, "first_order", anneal=anneal)
    report = meta_gradient(learner, theta, episodes(learner), inner, step=2)
    support, query = (
        sum(len(piece.ids) for e in episodes(learner) for piece in getattr(e, which))
        for which in ("support", "query")
    )
    assert report.cost.tokens == STEPS * support + queries * query


def test_every_support_set_is_counted_as_often_as_it_is_seen(make_learner):
    """Of three steps the first task's two dialogues see two and one."""
    learner = make_learner()
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    drawn = several(learner)
    inner = InnerLoop(InnerRates(list(theta), LR), STEPS, "first_order")
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
    inner = InnerLoop(InnerRates(list(theta), LR), 2, "first_order", support_loss=support_loss)
    report = meta_gradient(learner, theta, drawn, inner)
    queried = sum(len(piece.spans) for e in drawn for piece in e.query)
    assert report.replies > queried
    assert report.outer_replies == (report.replies if support_loss else queried)
