"""The cache of the support's tokens, against the mixture computed token by token in fractions."""

from collections import Counter
from fractions import Fraction
from math import exp, log

import pytest

from pipeline.evaluation.predict.cache import CacheMixture, mixed_nll
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.predict.replies import score_dialogue
from pipeline.persona.task.record import Dialogue, Turn
from tests.conftest import LINES, a_dialogue
from tests.support.plain_nll import plain_nll
from tests.unit.evaluation.predict.test_replies import generating


def dialogue_of(*replies):
    turns = [Turn(partner=LINES[3], reply=reply) for reply in replies]
    return Dialogue(dialogue_id="support", persona=[LINES[2]], turns=turns)


def test_the_mixture_by_hand():
    """Tokens 5 (twice of 4 in the support), 6 (never) and 7 (once), λ 1/4."""
    chances = [Fraction(1, 2), Fraction(1, 8), Fraction(1, 4)]
    mixed = [
        Fraction(3, 4) * p + Fraction(1, 4) * cache
        for p, cache in zip(chances, (Fraction(2, 4), 0, Fraction(1, 4)), strict=True)
    ]
    nll = [-log(p) for p in chances]
    found = mixed_nll([5, 6, 7], nll, Counter({5: 2, 7: 1, 9: 1}), 0.25)
    assert found == pytest.approx(-sum(log(p) for p in mixed), rel=1e-14)
    assert mixed_nll([5, 6, 7], nll, Counter({5: 2, 7: 1, 9: 1}), 0.0) == sum(nll)


def test_probabilities_of_all_next_tokens_still_sum_to_one(make_learner):
    """Over the whole vocabulary, whatever the support: nothing is counted twice or lost."""
    counts = Counter({3: 5, 11: 1})
    model = [(1 + i) / sum(range(1, 21)) for i in range(20)]
    mixed = [exp(-mixed_nll([i], [-log(p)], counts, 0.3)) for i, p in enumerate(model)]
    assert sum(mixed) == pytest.approx(1, rel=1e-12)


def test_the_persons_replies_are_counted_and_nothing_else(make_learner):
    """Neither the partner's words nor the persona; each reply's closing token is a token."""
    learner = make_learner(double=True, n_positions=512)
    encoder = learner.encoder
    support = (dialogue_of(LINES[0], LINES[1]), dialogue_of(LINES[0]))
    dialogue = a_dialogue(7)
    scores = score_dialogue(learner, learner.theta, dialogue, generating(), full=False)
    fold = Fold("k_shot", "p", support, (dialogue,))
    found = CacheMixture(encoder, [0.0, 0.2]).nll(scores, fold)
    said = [
        *encoder.segment(LINES[0]) * 2,
        *encoder.segment(LINES[1]),
        *[encoder.format.closing] * 3,
    ]
    (window,) = encoder.encode(dialogue)
    for score, span, nats in zip(scores, window.spans, found, strict=True):
        before, expected = list(window.ids[: span.start]), 0.0
        for token in window.ids[span.start : span.end]:
            p = exp(-plain_nll(learner, before, [token]))
            expected -= log(0.8 * p + 0.2 * said.count(token) / len(said))
            before.append(token)
        assert nats["0.2"] == pytest.approx(expected, rel=1e-8)
        assert nats["0.0"] == pytest.approx(sum(score.token_nll), rel=1e-12)


def test_without_support_or_weights_there_is_no_cache(make_learner):
    learner = make_learner(double=True, n_positions=512)
    dialogue = a_dialogue(7)
    scores = score_dialogue(learner, learner.theta, dialogue, generating(), full=False)
    alone, with_support = (
        Fold("k_shot", "p", support, (dialogue,)) for support in ((), (dialogue_of(LINES[0]),))
    )
    assert CacheMixture(learner.encoder, [0.0, 0.2]).nll(scores, alone) == [None] * len(scores)
    assert CacheMixture(learner.encoder, []).nll(scores, with_support) == [None] * len(scores)
