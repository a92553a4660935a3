"""The likelihoods of many dialogues, each under a θ̂ of its own, in shared passes.

Where folds are adapted together (`learning.finetune`) their θ̂ are stacked; here every window is a
sequence of one batch that takes its own fold's Φ and special rows. The numbers are those of
`predict.score_dialogue` up to rounding; nothing else is asked.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.evaluation.predict.replies import room
from pipeline.evaluation.predict.reply_score import ReplyScore
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Piece, collate_tasks
from pipeline.params import Generate
from pipeline.persona.task import Dialogue


class Question(NamedTuple):
    """A dialogue, and the place of the θ̂ that it is asked of."""

    place: int
    dialogue: Dialogue


class _Part(NamedTuple):
    question: int
    place: int
    piece: Piece


def likelihoods(
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
        questions: what is asked of whom.
        generate: what else will be asked of these dialogues: it bounds their windows.
        at_once: windows in a pass; memory holds the logits of so many windows' replies.
    """
    encode = learner.encoder.encode
    windows = [encode(q.dialogue, room=room(learner, q.dialogue, generate)) for q in questions]
    parts = [
        _Part(number, questions[number].place, Piece(window, window.spans))
        for number, those in enumerate(windows)
        for window in those
    ]
    parts.sort(key=lambda part: len(part.piece.ids))  # of like length, so that little is padded
    scores: list[list[ReplyScore]] = [[] for _ in questions]
    for first in range(0, len(parts), at_once):
        group = parts[first : first + at_once]
        for part, found in zip(group, _pass(learner, theta, group), strict=True):
            dialogue, pieces = questions[part.question].dialogue, len(windows[part.question])
            values = iter(found)
            for span in part.piece.spans:
                nll = tuple(next(values) for _ in range(span.end - span.start))
                scores[part.question].append(ReplyScore(dialogue, span.turn, nll, pieces))
    return [sorted(those, key=lambda score: score.turn) for those in scores]


@torch.no_grad()
def _pass(
    learner: Learner, theta: Mapping[str, Tensor], parts: Sequence[_Part]
) -> list[list[float]]:
    """Return the token NLLs of each part's replies, one after the other, nats."""
    places = torch.tensor([part.place for part in parts], device=learner.device)
    own = {name: value[places] for name, value in theta.items()}
    batch = collate_tasks([[part.piece] for part in parts], learner.device)
    with learner.model.attending(fused=True):
        nll = learner.token_nll(own, batch).clamp(min=0)  # rounding may go below
    sizes = torch.bincount(batch.rows, minlength=len(parts)).tolist()
    return [values.tolist() for values in nll.split(sizes)]
