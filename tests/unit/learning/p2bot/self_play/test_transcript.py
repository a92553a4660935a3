"""A conversation as each side reads it is what the encoder makes of the same dialogue."""

import pytest

from pipeline.errors import ModelError
from pipeline.learning.p2bot.self_play.transcript import Said, prompt, said, view
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import SILENCE, Dialogue, Turn
from tests.support.chat_templates import CHATML, LLAMA_2, tokenizer_with


PERSONA = ["i am a nurse .", "i like old cars ."]
TEXTS = ["hi , how are you ?", "great ! do you cook ?", "i live near the sea", "me , too .", "ok"]


@pytest.fixture(params=["special", "plain", "chat"])
def encoder(tokenizer, request, tmp_path):
    if request.param == "chat":
        tokenizer = tokenizer_with(CHATML, tmp_path)
    return Encoder(tokenizer, context=400, format=request.param)


def test_a_template_with_other_blanks_around_replies_is_refused(tmp_path):
    encoder = Encoder(tokenizer_with(LLAMA_2, tmp_path), context=400, format="chat")
    with pytest.raises(ModelError, match=r"self-play: .* other blanks around replies"):
        prompt(encoder, PERSONA, [said(encoder, TEXTS[0])], own=1)


def encoded(encoder, turns):
    dialogue = Dialogue(
        dialogue_id="d",
        persona=PERSONA,
        turns=[Turn(partner=partner, reply=reply) for partner, reply in turns],
    )
    (window,) = encoder.encode(dialogue)
    return window


def test_the_side_that_answers(encoder):
    lines = [said(encoder, text) for text in TEXTS]
    found = view(encoder, PERSONA, lines[:4], own=1)
    window = encoded(encoder, [(TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[3])])
    assert found.window.ids == window.ids
    places = [(span.start, span.end) for span in found.window.spans]
    assert places == [(span.start, span.end) for span in window.spans]
    assert found.closings == tuple(span.end - 1 for span in window.spans)


def test_the_side_that_opened(encoder):
    lines = [said(encoder, text) for text in TEXTS]
    found = view(encoder, PERSONA, lines, own=0)
    turns = [(SILENCE, TEXTS[0]), (TEXTS[1], TEXTS[2]), (TEXTS[3], TEXTS[4])]
    assert found.window.ids == encoded(encoder, turns).ids


def test_a_prompt_is_all_that_stands_before_the_reply(encoder):
    lines = [said(encoder, text) for text in TEXTS]
    whole = view(encoder, PERSONA, lines[:4], own=1)
    start = whole.window.spans[1].start
    assert prompt(encoder, PERSONA, lines[:3], own=1) == whole.window.ids[:start]


def test_an_utterance_that_was_cut_short_has_no_closing_token_to_be_learned(encoder):
    lines = [said(encoder, TEXTS[0]), Said(encoder.segment(TEXTS[1]), closed=False, text="")]
    found = view(encoder, PERSONA, lines, own=1)
    (span,) = found.window.spans
    assert found.window.ids[span.start : span.end] == encoder.segment(TEXTS[1])
    assert found.closings == (span.end,)
    assert found.window.ids[span.end] == encoder.format.closing


def test_a_conversation_that_does_not_fit_is_named(encoder):
    lines = [said(encoder, TEXTS[0])] * 40
    with pytest.raises(ModelError, match=r"the context holds 400; lower self_play.turns"):
        view(encoder, PERSONA, lines, own=1)
