"""Each format through scoring and generation, against plain forward passes token by token."""

import pytest
import torch

from pipeline.evaluation.predict.replies import bare_window, score_dialogue
from pipeline.params import Generate, Variant
from pipeline.persona.task.record import SILENCE, Dialogue, Turn
from tests.conftest import LINES, learner_of
from tests.support.chat_templates import TAKEN, tokenizer_with
from tests.support.plain_nll import plain_nll


GENERATE = Generate(seed=0, top_p=0.92, temperature=1.0, samples=2, max_new_tokens=16)
CANDIDATES = [LINES[0], "great", "i am a nurse", LINES[2]]
DIALOGUE = Dialogue(
    dialogue_id="d",
    persona=LINES[1:3],
    turns=[
        Turn(partner=SILENCE, reply="great", candidates=CANDIDATES, gold=1),
        Turn(partner=LINES[3], reply=LINES[2], candidates=CANDIDATES, gold=3),
    ],
)


@pytest.fixture(params=["plain", "chatml", "llama_2", "lined"])
def learner(tokenizer, request, tmp_path):
    """Its logits are large, so that unlikely tokens are sampled where nothing forbids them."""
    kind = request.param
    if kind != "plain":
        tokenizer = tokenizer_with(TAKEN[kind], tmp_path)
    axes = Variant(init="pretrained", format="plain" if kind == "plain" else "chat")
    return learner_of(tokenizer, axes, double=True, n_positions=512)


@torch.no_grad()
def test_replies_and_candidates_are_plain_passes(learner):
    encoder = learner.encoder
    (window,) = encoder.encode(DIALOGUE, room=16)
    scores = score_dialogue(learner, learner.theta, DIALOGUE, GENERATE, full=True)
    bare = bare_window(encoder)
    for span, score in zip(window.spans, scores, strict=True):
        prefix = window.ids[: span.start]
        reply = window.ids[span.start : span.end]
        assert sum(score.token_nll) == pytest.approx(plain_nll(learner, prefix, reply), abs=1e-8)
        assert len(score.token_nll) == len(reply)
        assert reply == (*encoder.segment(DIALOGUE.turns[score.turn].reply), encoder.format.closing)
        for alone, given in (
            (score.candidate_nll, prefix),
            (score.candidate_nll_unconditional, bare.ids[: bare.spans[0].start]),
        ):
            expected = [plain_nll(learner, given, encoder.segment(c)) for c in CANDIDATES]
            assert alone == pytest.approx(expected, abs=1e-8)


@torch.no_grad()
def test_responses_end_at_the_closing_token_and_hold_no_mark(learner):
    """Greedy by one pass for each token; no response holds a mark or breaks a line of `plain`."""
    encoder = learner.encoder
    (window,) = encoder.encode(DIALOGUE, room=16)
    scores = score_dialogue(learner, learner.theta, DIALOGUE, GENERATE, full=True)
    parameters = learner.parameters(learner.theta)
    for span, score in zip(window.spans, scores, strict=True):
        ids = list(window.ids[: span.start])
        for _ in range(GENERATE.max_new_tokens):
            states = learner.model.hidden(parameters, torch.tensor([ids]))
            logits = learner.model.logits(parameters, states[0, -1:])
            logits[:, list(encoder.forbidden)] = -torch.inf
            token = int(logits.argmax())
            if token == encoder.format.closing:
                break
            ids.append(token)
        assert encoder.decode(ids[span.start :]) == score.greedy
        tokenizer = encoder._tokenizer
        for text in (*score.responses, score.greedy):
            assert not any(name in text for name in tokenizer.all_special_tokens)
            if encoder.format.closing not in tokenizer.all_special_ids:
                assert "\n" not in text
