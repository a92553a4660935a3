"""From an adapted learner and a dialogue to Prediction records (Section 4.1, App. B).

The one place where the model answers what scoring will ask: likelihoods, candidates, responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import torch
from torch import Tensor

from pipeline.evaluation.prediction import Prediction
from pipeline.evaluation.protocols import Fold
from pipeline.model.decoding import Ending, respond
from pipeline.model.learner import Learner
from pipeline.model.ranking import candidate_nll
from pipeline.model.reading import Reading, read, reply_nll
from pipeline.params import Generate
from pipeline.persona.task import Dialogue
from pipeline.persona.text import normalise, words


@dataclass(frozen=True)
class ReplyScore:
    """What f_θ says of one reply; knows nothing of support, protocol or epoch."""

    dialogue: Dialogue
    turn: int
    token_nll: tuple[float, ...]  # nats, the closing token's last
    windows: int  # of the dialogue
    candidate_nll: tuple[float, ...] | None = None
    candidate_tokens: tuple[int, ...] | None = None
    response: str | None = None
    greedy: str | None = None


@torch.no_grad()
def score_dialogue(
    learner: Learner,
    theta: Mapping[str, Tensor],
    dialogue: Dialogue,
    generate: Generate,
    *,
    full: bool,
) -> list[ReplyScore]:
    """Score every reply of a dialogue; its candidates and responses too if `full`."""
    scores: list[ReplyScore] = []
    windows = learner.encoder.encode(dialogue, room=_room(learner, dialogue, generate))
    for window in windows:
        reading = read(learner.model, learner.parameters(theta), window)
        plain = [
            ReplyScore(dialogue, span.turn, tuple(nll), len(windows))
            for span, nll in zip(window.spans, reply_nll(reading, window.spans), strict=True)
        ]
        if full:
            plain = _with_candidates(learner, reading, plain)
            plain = _with_responses(learner, reading, plain, generate)
        scores += plain
    return sorted(scores, key=lambda score: score.turn)


def _room(learner: Learner, dialogue: Dialogue, generate: Generate) -> int:
    """Tokens that the longest candidate or response needs; the same whatever is asked for."""
    candidates = [c for turn in dialogue.turns for c in turn.candidates or ()]
    return max([generate.max_new_tokens, *(len(learner.encoder.segment(c)) for c in candidates)])


def _with_candidates(
    learner: Learner, reading: Reading, scores: Sequence[ReplyScore]
) -> list[ReplyScore]:
    segment = learner.encoder.segment
    rows = [[segment(c) for c in s.dialogue.turns[s.turn].candidates or ()] for s in scores]
    spans = [span for span, row in zip(reading.window.spans, rows, strict=True) if row]
    nlls = iter(candidate_nll(reading, spans, [row for row in rows if row]) if spans else [])
    return [
        replace(
            score,
            candidate_nll=tuple(next(nlls)),
            candidate_tokens=tuple(len(ids) for ids in row),
        )
        if row
        else score
        for score, row in zip(scores, rows, strict=True)
    ]


def _with_responses(
    learner: Learner, reading: Reading, scores: Sequence[ReplyScore], generate: Generate
) -> list[ReplyScore]:
    encoder = learner.encoder
    responses = respond(
        reading,
        reading.window.spans,
        Ending(encoder.format.closing, encoder.forbidden),
        top_p=generate.top_p,
        uniforms=[_uniforms(generate, score) for score in scores],
    )
    return [
        replace(score, response=encoder.decode(sampled), greedy=encoder.decode(greedy))
        for score, (sampled, greedy) in zip(scores, responses, strict=True)
    ]


def _uniforms(generate: Generate, score: ReplyScore) -> list[float]:
    """Draw a response's random numbers: the same for every variant, seed, fold and device."""
    key = (generate.seed, "response", score.dialogue.dialogue_id, score.turn)
    random = Random("/".join(map(str, key)))
    return [random.random() for _ in range(generate.max_new_tokens)]


def prediction(score: ReplyScore, fold: Fold, *, split: str, seed: int, epoch: int) -> Prediction:
    """Return the record of one reply in one setting."""
    turn = score.dialogue.turns[score.turn]
    ranked = score.candidate_nll is not None
    candidates = [normalise(c) for c in turn.candidates or ()] if ranked else []
    gold = normalise(turn.reply)
    in_support = {normalise(t.reply) for dialogue in fold.support for t in dialogue.turns}
    return Prediction.model_validate(
        {
            "task_id": fold.task_id,
            "dialogue_id": score.dialogue.dialogue_id,
            "turn": score.turn,
            "seed": seed,
            "split": split,
            "protocol": fold.protocol,
            "k": fold.k,
            "epoch": epoch,
            "nll": sum(score.token_nll[:-1]),
            "nll_end": score.token_nll[-1],
            "num_tokens": len(score.token_nll) - 1,
            "num_words": len(words(turn.reply)),
            "windows": score.windows,
            "candidate_nll": list(score.candidate_nll) if score.candidate_nll else None,
            "candidate_tokens": list(score.candidate_tokens) if score.candidate_tokens else None,
            "candidate_equals_gold": [c == gold for c in candidates] if ranked else None,
            "candidate_in_support": [c in in_support for c in candidates] if ranked else None,
            "gold": turn.gold if ranked else None,
            "response": score.response,
            "greedy": score.greedy,
            "reference": turn.reply,
        }
    )
