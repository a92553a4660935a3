"""From an adapted learner and a dialogue to the scores of its replies (Section 4.1, App. B).

This is the one place where the model is asked for likelihoods, candidates and responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import torch
from torch import Tensor

from pipeline.evaluation.predict.reply_score import ReplyScore
from pipeline.model.inference.candidates import candidate_nll, rank
from pipeline.model.inference.reading import Reading, read, reply_nll
from pipeline.model.inference.responses import Ending, respond
from pipeline.model.network import next_utterance
from pipeline.model.network.language_model import Parameters
from pipeline.model.network.learner import Learner
from pipeline.model.network.next_utterance import HEAD
from pipeline.model.sequences.encoding import Encoder, ReplySpan, Window
from pipeline.params import Generate
from pipeline.persona.task.record import SILENCE, Dialogue


def score_dialogue(
    learner: Learner,
    theta: Mapping[str, Tensor],
    dialogue: Dialogue,
    generate: Generate,
    *,
    full: bool,
) -> list[ReplyScore]:
    """Score every reply of a dialogue; if `full`, its candidates and responses too."""
    windows = learner.encoder.encode(dialogue, room=room(learner, dialogue, generate))
    return score_windows(learner, theta, (dialogue, windows), generate, full=full)


@torch.no_grad()
def score_windows(
    learner: Learner,
    theta: Mapping[str, Tensor],
    encoded: tuple[Dialogue, Sequence[Window]],
    generate: Generate,
    *,
    full: bool,
) -> list[ReplyScore]:
    """Score the replies that an encoded dialogue's windows hold, in the order of its turns."""
    dialogue, windows = encoded
    scores: list[ReplyScore] = []
    for window in windows:
        reading = read(learner.model, learner.parameters(theta), window)
        plain = [
            ReplyScore(dialogue, span.turn, tuple(nll), len(windows))
            for span, nll in zip(window.spans, reply_nll(reading, window.spans), strict=True)
        ]
        if full:
            plain = _with_candidates(learner, reading, plain)
            plain = _with_unconditional(learner, learner.parameters(theta), plain)
            plain = _with_responses(learner, reading, plain, generate)
        scores += plain
    return sorted(scores, key=lambda score: score.turn)


def room(learner: Learner, dialogue: Dialogue, generate: Generate) -> int:
    """Return how many tokens the longest candidate or response needs, whatever is scored."""
    candidates = [c for turn in dialogue.turns for c in turn.candidates or ()]
    return max([generate.max_new_tokens, *(len(learner.encoder.segment(c)) for c in candidates)])


def _with_candidates(
    learner: Learner, reading: Reading, scores: Sequence[ReplyScore]
) -> list[ReplyScore]:
    segment = learner.encoder.segment
    segments = [[segment(c) for c in _candidates(s)] for s in scores]
    spans = [s for s, own in zip(reading.window.spans, segments, strict=True) if own]
    if not spans:
        return list(scores)
    head = reading.parameters.get(HEAD)
    closing = None if head is None else learner.encoder.format.closing
    ranked = rank(reading, spans, [own for own in segments if own], closing=closing)
    nlls = iter(ranked.nll)
    logits = iter(() if head is None else [next_utterance.scores(head, s) for s in ranked.states])
    return [
        replace(
            score,
            candidate_nll=tuple(next(nlls)),
            candidate_tokens=tuple(len(ids) for ids in own),
            candidate_head=None if head is None else tuple(next(logits).tolist()),
        )
        if own
        else score
        for score, own in zip(scores, segments, strict=True)
    ]


def _with_unconditional(
    learner: Learner, parameters: Parameters, scores: Sequence[ReplyScore]
) -> list[ReplyScore]:
    """Add the candidates' NLL after the mark that opens a reply, without persona and history."""
    segment = learner.encoder.segment
    segments = {s.turn: [segment(c) for c in _candidates(s)] for s in scores if _candidates(s)}
    if not segments:
        return list(scores)
    window = bare_window(learner.encoder)
    reading = read(learner.model, parameters, window)
    nlls = candidate_nll(reading, window.spans * len(segments), list(segments.values()))
    unconditional = {turn: tuple(nll) for turn, nll in zip(segments, nlls, strict=True)}
    return [replace(s, candidate_nll_unconditional=unconditional.get(s.turn)) for s in scores]


def _candidates(score: ReplyScore) -> Sequence[str]:
    return score.dialogue.turns[score.turn].candidates or ()


def bare_window(encoder: Encoder) -> Window:
    """Return a window with an empty reply to silence; only marks stand before it."""
    marks = encoder.persona([]) + encoder.before_reply(SILENCE, [], first=True)
    ids = (*marks, encoder.format.closing)
    return Window(ids, (ReplySpan(turn=0, start=len(ids) - 1, end=len(ids)),))


def _with_responses(
    learner: Learner, reading: Reading, scores: Sequence[ReplyScore], generate: Generate
) -> list[ReplyScore]:
    encoder = learner.encoder
    drawn = respond(
        reading,
        [span for span in reading.window.spans for _ in range(generate.samples)],
        Ending(encoder.format.closing, encoder.forbidden),
        top_p=generate.top_p,
        temperature=generate.temperature,
        uniforms=[_uniforms(generate, s, i) for s in scores for i in range(generate.samples)],
    )
    texts = [(encoder.decode(sampled), encoder.decode(greedy)) for sampled, greedy in drawn]
    by_reply = [texts[i : i + generate.samples] for i in range(0, len(texts), generate.samples)]
    return [
        replace(score, responses=tuple(sampled for sampled, _ in own), greedy=own[0][1])
        for score, own in zip(scores, by_reply, strict=True)
    ]


def _uniforms(generate: Generate, score: ReplyScore, sample: int) -> list[float]:
    """Draw a sample's random numbers: the same for every variant, training seed, fold and device.

    The first sample's numbers do not depend on the number of samples.
    """
    purpose = "response" if sample == 0 else f"response {sample}"
    key = (generate.seed, purpose, score.dialogue.dialogue_id, score.turn)
    random = Random("/".join(map(str, key)))
    return [random.random() for _ in range(generate.max_new_tokens)]
