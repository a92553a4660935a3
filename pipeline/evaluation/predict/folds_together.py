"""The likelihoods of many dialogues, each by a θ̂ of its own, in shared passes.

`learning/finetuning/adapt.py` stacks the θ̂ of folds that are adapted together. Here every window is
a sequence of one batch, and takes the Φ and special rows of its own fold. The numbers are those of
`replies.score_dialogue` up to rounding. Candidates and responses are not scored here.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.evaluation.predict.replies import room
from pipeline.evaluation.predict.reply_score import ReplyScore
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece
from pipeline.params import Generate
from pipeline.persona.task.record import Dialogue


class Question(NamedTuple):
    """A dialogue, and the place in the stack of the θ̂ that scores it."""

    place: int
    dialogue: Dialogue


class _WindowPart(NamedTuple):
    question: int
    place: int
    piece: Piece


def score_together(
    learner: Learner,
    theta: Mapping[str, Tensor],
    questions: Sequence[Question],
    generate: Generate,
    *,
    at_once: int,
) -> list[list[ReplyScore]]:
    """Score every reply of each question's dialogue, in the order of its turns.

    Args:
        learner: f.
        theta: N θ̂, stacked, (N, ...).
        questions: the dialogues, each with its θ̂.
        generate: the length of responses, which bounds the windows.
        at_once: windows in a pass; memory holds the logits of their replies.
    """
    encode = learner.encoder.encode
    windows = [encode(q.dialogue, room=room(learner, q.dialogue, generate)) for q in questions]
    parts = [
        _WindowPart(number, questions[number].place, Piece(window, window.spans))
        for number, of_dialogue in enumerate(windows)
        for window in of_dialogue
    ]
    parts.sort(key=lambda part: len(part.piece.ids))  # similar lengths: little is padded
    scores: list[list[ReplyScore]] = [[] for _ in questions]
    for first in range(0, len(parts), at_once):
        group = parts[first : first + at_once]
        for part, token_nll in zip(group, _pass(learner, theta, group), strict=True):
            dialogue, num_windows = questions[part.question].dialogue, len(windows[part.question])
            values = iter(token_nll)
            for span in part.piece.spans:
                nll = tuple(next(values) for _ in range(span.end - span.start))
                scores[part.question].append(ReplyScore(dialogue, span.turn, nll, num_windows))
    return [sorted(of_dialogue, key=lambda score: score.turn) for of_dialogue in scores]


@torch.no_grad()
def _pass(
    learner: Learner, theta: Mapping[str, Tensor], parts: Sequence[_WindowPart]
) -> list[list[float]]:
    """Return the token NLLs of each part's replies, one reply after the other, nats."""
    places = torch.tensor([part.place for part in parts], device=learner.device)
    own = {name: value[places] for name, value in theta.items()}
    batch = learner.collate([[part.piece] for part in parts])
    with learner.model.attending(fused=True):
        nll = learner.token_nll(own, batch).clamp(min=0)  # rounding may give less
    sizes = torch.bincount(batch.rows, minlength=len(parts)).tolist()
    return [values.tolist() for values in nll.split(sizes)]
