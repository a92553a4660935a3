"""Next-utterance prediction in the meta-gradient: plain unrolling, central differences; float64."""

from dataclasses import replace

import pytest
import torch

from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import reference
from pipeline.learning.meta.maml import meta_gradient
from pipeline.model.network.next_utterance import HEAD
from tests.support.episodes import LR, episodes, plain_tasks
from tests.support.next_utterance import HEADS, distracted, naive, variant


def nup_episodes(learner, head):
    return [
        replace(
            episode,
            supports=(distracted(learner, episode.support, HEADS[head]),),
            query=distracted(learner, episode.query, HEADS[head]),
        )
        for episode in episodes(learner)
    ]


@pytest.mark.parametrize("kind", ["exact", "first_order"])
@pytest.mark.parametrize(
    ("place", "options"),
    [
        ("in_place", {}),
        ("in_place", {"recompute": True}),
        ("extra_place_unfixed", {}),
        ("extra_place", {}),
        ("extra_place", {"tasks_at_once": 2}),
    ],
)
@pytest.mark.parametrize("head", HEADS)
def test_meta_gradient_is_the_plain_unrolling_over_separate_sequences(
    make_learner, head, place, options, kind
):
    learner = make_learner(variant(head, place), double=True)
    drawn = nup_episodes(learner, head)
    theta, free = ({n: v.clone().requires_grad_() for n, v in learner.theta.items()} for _ in "ab")
    inner = InnerLoop(list(theta), LR, 2, kind, **options)
    report = meta_gradient(learner, theta, drawn, inner)

    def loss(theta, pieces):
        return naive(learner, theta, pieces)

    exact = kind == "exact"
    total = reference.outer_loss(free, plain_tasks(drawn, 2), loss, LR, exact=exact)
    total.backward()
    assert report.outer_loss == pytest.approx(total.item(), rel=1e-10)
    for name, value in free.items():
        torch.testing.assert_close(theta[name].grad, value.grad, rtol=1e-6, atol=1e-10)


def test_a_head_that_moves_alone_is_the_plain_unrolling(make_learner):
    """ANIL's usual form: what moves sees the table's looked-up rows, nothing is projected."""
    learner = make_learner(variant("choice"), double=True)
    drawn = nup_episodes(learner, "choice")
    theta, free = ({n: v.clone().requires_grad_() for n, v in learner.theta.items()} for _ in "ab")
    meta_gradient(learner, theta, drawn, InnerLoop([HEAD], LR, 1, "exact"))

    def loss(head, pieces):
        return naive(learner, free | head, pieces)

    reference.outer_loss({HEAD: free[HEAD]}, plain_tasks(drawn, 1), loss, LR).backward()
    for name, value in free.items():
        torch.testing.assert_close(theta[name].grad, value.grad, rtol=1e-6, atol=1e-10)


def test_exact_meta_gradient_is_the_finite_difference(make_learner):
    learner = make_learner(variant("choice"), double=True)
    drawn = nup_episodes(learner, "choice")
    inner = InnerLoop(list(learner.theta), LR, 1, "exact")
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    meta_gradient(learner, theta, drawn, inner)
    generator = torch.Generator().manual_seed(0)
    direction = {
        n: torch.randn(v.shape, generator=generator, dtype=v.dtype) for n, v in theta.items()
    }
    values = []
    for sign in (1, -1):
        point = {
            n: (v + sign * 1e-5 * direction[n]).detach().requires_grad_()
            for n, v in learner.theta.items()
        }
        values.append(meta_gradient(learner, point, drawn, inner).outer_loss)
    expected = sum((theta[n].grad * direction[n]).sum() for n in theta).item()
    assert (values[0] - values[1]) / 2e-5 == pytest.approx(expected, rel=1e-6)
