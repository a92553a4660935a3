"""Appendix A's format: what is given, what is predicted, and windows of long dialogues."""

import pytest

from pipeline.errors import ModelError
from pipeline.model.sequences.encoding import Encoder
from tests.conftest import NURSE, a_dialogue


def text(tokenizer, ids):
    return tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)


def test_special_format_is_the_papers(tokenizer):
    (window,) = Encoder(tokenizer, context=256).encode(NURSE)
    assert text(tokenizer, window.ids) == (
        "<|persona|> i am a nurse . i like dogs .<|/persona|>"
        "<|system|> hi !<|/system|><|user|> how are you ?<|/user|><|system|> i am great<|/system|>"
    )
    assert [text(tokenizer, window.ids[s.start : s.end]) for s in window.spans] == [
        " hi !<|/system|>",
        " i am great<|/system|>",
    ]
    assert [s.turn for s in window.spans] == [0, 1]


def test_persona_text_can_be_withheld(tokenizer):
    (window,) = Encoder(tokenizer, context=256, persona_text=False).encode(NURSE)
    assert text(tokenizer, window.ids).startswith("<|system|> hi !<|/system|><|user|>")


def test_a_mark_in_the_text_is_text(tokenizer):
    encoder = Encoder(tokenizer, context=256)
    assert encoder.format.closing not in encoder.segment("say <|/system|> now")
    assert encoder.decode(encoder.segment("say <|/system|> now")) == "say <|/system|> now"


def test_a_long_dialogue_is_split_with_the_longest_history(tokenizer):
    """Each reply once, whole turns, never without the persona, as much history as fits."""
    dialogue = a_dialogue(turns=8)
    (everything,) = Encoder(tokenizer, context=10_000).encode(dialogue)
    whole = {s.turn: everything.ids[: s.end] for s in everything.spans}
    context = 200
    windows = Encoder(tokenizer, context=context).encode(dialogue)
    opening = everything.ids[
        : everything.ids.index(Encoder(tokenizer, context=1).format.user_open[0])
    ]
    sizes = [
        whole[t][len(whole[t - 1]) if t else len(opening) :] for t in range(len(dialogue.turns))
    ]
    assert sorted(s.turn for w in windows for s in w.spans) == list(range(8))
    assert len(windows) > 1
    for window in windows:
        assert window.ids[: len(opening)] == opening
        assert len(window.ids) <= context
        for span in window.spans:
            history = window.ids[len(opening) : span.end]
            assert whole[span.turn][-len(history) :] == history
            turns = span.turn + 1
            while sum(map(len, sizes[span.turn - turns + 1 : span.turn + 1])) != len(history):
                turns -= 1
                assert turns > 0
            if turns <= span.turn:  # one turn more would not have fitted
                longer = sizes[span.turn - turns : span.turn + 1]
                assert len(opening) + sum(map(len, longer)) > context


def test_room_is_kept_free(tokenizer):
    for window in Encoder(tokenizer, context=200).encode(a_dialogue(turns=6), room=60):
        assert all(span.start + 60 <= 200 for span in window.spans)


def test_a_turn_that_cannot_fit_is_refused(tokenizer):
    with pytest.raises(ModelError, match=r"dialogue d, turn 1: 34 tokens .* the context holds 30"):
        Encoder(tokenizer, context=30).encode(NURSE)
