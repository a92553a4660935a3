"""Next-utterance prediction written out naively: one sequence for each candidate."""

from dataclasses import replace
from random import Random

import torch
from torch.nn import functional as F

from pipeline.model.network.next_utterance import HEAD
from pipeline.model.sequences.batching import collate
from pipeline.params import NextUtterance, Variant
from tests.conftest import LINES
from tests.support.episodes import CPU


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


def states_one_by_one(learner, theta, pieces):
    """The state after every candidate's closing token, each in a sequence of its own: (U, C, H)."""
    parameters = learner.parameters(theta)
    rows = []
    for piece in pieces:
        for span, distractors in zip(piece.spans, piece.distractors, strict=True):
            own = piece.window.ids[span.start : span.end]
            sequences = [(*piece.window.ids[: span.start], *ids) for ids in (own, *distractors)]
            hidden = [
                learner.model.hidden(parameters, torch.tensor([ids]))[0, -1] for ids in sequences
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
