"""Next-utterance prediction in one pass: against one sequence per candidate, and autograd alone."""

from dataclasses import replace
from random import Random

import pytest
import torch
from torch.nn import functional as F

from pipeline.learning.inner.inner_loop import InnerLoop
from pipeline.learning.meta import reference
from pipeline.learning.meta.maml import meta_gradient
from pipeline.learning.training.supervised import gradient
from pipeline.model.inference.candidates import rank
from pipeline.model.inference.reading import read
from pipeline.model.network import next_utterance
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.sequences.batching import collate, collate_tasks, whole
from pipeline.params import NextUtterance, Variant
from tests.conftest import LINES, a_dialogue
from tests.equivalence.test_maml import CPU, LR, episodes, plain_tasks


HEADS = {"choice": 3, "binary": 2}


def variant(head, place="in_place", **coefficients):
    values = {"head": head, "lm_coef": 2.0, "coef": 0.7, "candidates": 1 + HEADS[head]}
    axes = {
        "in_place": {},
        "extra_place": {"adapters": True, "freeze_base": True},
        "extra_place_unfixed": {"adapters": True},
    }[place]
    objective = NextUtterance(**values | coefficients)
    return Variant(init="pretrained", next_utterance=objective, **axes)


def distracted(learner, pieces, count):
    """Attach `count` distractors of different lengths to every reply."""
    encoder = learner.encoder
    random = Random(len(pieces[0].ids))

    def one():
        text = " ".join(random.sample(" ".join(LINES).split(), random.randint(1, 7)))
        return (*encoder.segment(text), encoder.format.closing)

    return [replace(p, distractors=tuple(tuple(one() for _ in range(count)) for _ in p.spans))
            for p in pieces]  # fmt: skip


def some(learner, head, number=0):
    pieces = whole(learner.encoder.encode(a_dialogue(number)))
    return distracted(learner, pieces, HEADS[head])


def states_one_by_one(learner, theta, pieces):
    """The state after every candidate's closing token, each in a sequence of its own: (U, C, H)."""
    parameters = learner.parameters(theta)
    rows = []
    for piece in pieces:
        for span, distractors in zip(piece.spans, piece.distractors, strict=True):
            own = piece.window.ids[span.start : span.end]
            sequences = [(*piece.window.ids[: span.start], *ids) for ids in (own, *distractors)]
            hidden = [
                learner.model.hidden(parameters, torch.tensor([ids])).last_hidden_state[0, -1]
                for ids in sequences
            ]
            rows.append(torch.stack(hidden))
    return torch.stack(rows)


def naive(learner, theta, pieces):
    objective = learner.model.objective
    logits = states_one_by_one(learner, theta, pieces) @ theta[HEAD].T
    if objective.head == "choice":
        losses = [F.cross_entropy(row[:, 0], torch.tensor(0)) for row in logits]
    else:
        losses = [
            0.5 * F.cross_entropy(row[:1], torch.tensor([1]))
            + 0.5 * F.cross_entropy(row[1:], torch.zeros(len(row) - 1, dtype=torch.long))
            for row in logits
        ]
    plain = collate([replace(piece, distractors=()) for piece in pieces], CPU)
    language = learner.model.token_nll(learner.parameters(theta), plain).mean()
    return objective.lm_coef * language + objective.coef * torch.stack(losses).mean()


@pytest.mark.parametrize("place", ["in_place", "extra_place"])
@pytest.mark.parametrize("head", HEADS)
def test_one_pass_is_one_sequence_for_each_candidate(make_learner, head, place):
    learner = make_learner(variant(head, place), double=True)
    pieces = some(learner, head) + some(learner, head, 1)
    found, expected = (
        {n: v.clone().requires_grad_() for n, v in learner.theta.items()} for _ in range(2)
    )
    loss = learner.losses(found, collate(pieces, CPU)).sum()
    plain = naive(learner, expected, pieces)
    assert loss.item() == pytest.approx(plain.item(), rel=1e-12)
    loss.backward()
    plain.backward()
    for name, value in found.items():
        torch.testing.assert_close(value.grad, expected[name].grad, rtol=1e-8, atol=1e-12)
    assert found[HEAD].grad.abs().max() > 1e-4


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_distractors_are_nothing_to_the_language_model(make_learner, attention):
    learner = make_learner(variant("choice"), attention, double=True)
    pieces = some(learner, "choice")
    plain = [replace(piece, distractors=()) for piece in pieces]
    with_them, without = (
        learner.token_nll(learner.theta, collate(p, CPU)) for p in (pieces, plain)
    )
    torch.testing.assert_close(with_them, without, rtol=1e-12, atol=1e-12)


def test_coefficients_1_and_0_are_the_plain_trainer(make_learner):
    plain = make_learner("in_place", double=True)
    learner = make_learner(variant("choice", lm_coef=1.0, coef=0.0), double=True)
    pieces = some(learner, "choice")
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    own = {n: v.clone().requires_grad_() for n, v in plain.theta.items()}
    gradient(learner, theta, pieces)
    gradient(plain, own, [replace(piece, distractors=()) for piece in pieces])
    assert theta.pop(HEAD).grad.abs().max() == 0
    for name, value in theta.items():
        torch.testing.assert_close(value.grad, own[name].grad, rtol=1e-9, atol=1e-12)


def test_each_loss_reaches_what_it_should(make_learner):
    learner = make_learner(variant("binary", lm_coef=0.0, coef=1.0), double=True)
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    gradient(learner, theta, some(learner, "binary"))
    assert all(value.grad.abs().max() > 0 for value in theta.values())  # head, body, table
    theta = {n: v.clone().requires_grad_() for n, v in learner.theta.items()}
    gradient(learner, theta, [replace(p, distractors=()) for p in some(learner, "binary")])
    assert not theta[HEAD].grad.any()


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


def test_tasks_of_different_sizes_keep_their_own_losses(make_learner):
    learner = make_learner(variant("choice"), double=True)
    sets = [some(learner, "choice"), distracted(learner, whole(learner.encoder.encode(
        a_dialogue(2, turns=1))), 3)]  # fmt: skip
    together = learner.losses(learner.theta, collate_tasks(sets, CPU))
    alone = [learner.losses(learner.theta, collate(one, CPU)).sum() for one in sets]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("head", HEADS)
def test_ranking_reads_the_state_that_training_reads(make_learner, head):
    learner = make_learner(variant(head), double=True)
    (window,) = learner.encoder.encode(a_dialogue())
    segment, closing = learner.encoder.segment, learner.encoder.format.closing
    texts = [[line, window_reply(learner, window, span), line] for span, line in
             zip(window.spans, LINES, strict=False)]  # fmt: skip
    rows = [[segment(text) for text in row] for row in texts]
    reading = read(learner.model, learner.parameters(learner.theta), window)
    ranked = rank(reading, window.spans, rows, closing=closing)
    plain = rank(reading, window.spans, rows).nll
    for with_closing, without in zip(ranked.nll, plain, strict=True):
        assert with_closing == pytest.approx(without, rel=1e-13, abs=0)
    for span, row, states in zip(window.spans, rows, ranked.states, strict=True):
        for ids, state in zip(row, states, strict=True):
            sequence = torch.tensor([[*window.ids[: span.start], *ids, closing]])
            expected = learner.model.hidden(reading.parameters, sequence).last_hidden_state[0, -1]
            torch.testing.assert_close(state, expected, rtol=1e-9, atol=1e-10)
        scores = next_utterance.scores(learner.theta[HEAD], states)
        assert scores[0] == scores[2]  # equal texts, exactly equal scores
        logits = states @ learner.theta[HEAD].T
        expected = logits[:, 0] if head == "choice" else F.log_softmax(logits, -1)[:, 1]
        torch.testing.assert_close(scores, expected)


def window_reply(learner, window, span):
    return learner.encoder.decode(window.ids[span.start : span.end - 1])
