"""Next-utterance prediction in one pass: against one sequence per candidate, and autograd alone."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from pipeline.learning.training.supervised import gradient
from pipeline.model.inference.candidates import rank
from pipeline.model.inference.reading import read
from pipeline.model.network import next_utterance
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.sequences.batching import collate, collate_tasks, whole
from tests.conftest import LINES, a_dialogue
from tests.support.episodes import CPU
from tests.support.next_utterance import HEADS, distracted, naive, variant


def some(learner, head, number=0):
    pieces = whole(learner.encoder.encode(a_dialogue(number)))
    return distracted(learner, pieces, HEADS[head])


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
            expected = learner.model.hidden(reading.parameters, sequence)[0, -1]
            torch.testing.assert_close(state, expected, rtol=1e-9, atol=1e-10)
        scores = next_utterance.scores(learner.theta[HEAD], states)
        assert scores[0] == scores[2]  # equal texts, exactly equal scores
        logits = states @ learner.theta[HEAD].T
        expected = logits[:, 0] if head == "choice" else F.log_softmax(logits, -1)[:, 1]
        torch.testing.assert_close(scores, expected)


def window_reply(learner, window, span):
    return learner.encoder.decode(window.ids[span.start : span.end - 1])
