"""The plain format: lines that any pre-trained model can read, a reply ended by its line's end."""

import pytest
from tokenizers import normalizers

from pipeline.errors import ModelError
from pipeline.model.base.tokenizer import add_special_tokens, train_tokenizer
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import SILENCE, Turn
from tests.conftest import LINES, NURSE


DIALOGUE = NURSE.model_copy(update={"turns": [*NURSE.turns, Turn(partner="", reply="and you ?")]})
TURNS = "B: hi !\nA: how are you ?\nB: i am great\nB: and you ?\n"


def plain(tokenizer, **options):
    return Encoder(tokenizer, context=500, format="plain", **options)


@pytest.fixture(scope="module")
def broken_lines():
    """A tokenizer with tokens that hold the end of a line and more."""
    lines = [line.replace(" , ", " ,\n\n\n") for line in LINES] + ["a\n\nb .\n\nc"] * 20
    tokenizer = train_tokenizer(lines * 4, 320)
    add_special_tokens(tokenizer)
    return tokenizer


def test_lines_of_two_speakers(tokenizer):
    (window,) = plain(tokenizer).encode(DIALOGUE)
    assert tokenizer.decode(window.ids) == f"Persona of B: i am a nurse . i like dogs .\n{TURNS}"
    replies = [tokenizer.decode(window.ids[span.start : span.end]) for span in window.spans]
    assert replies == [" hi !\n", " i am great\n", " and you ?\n"]


def test_pieces_are_encoded_one_by_one(tokenizer):
    (window,) = plain(tokenizer).encode(DIALOGUE)
    pieces = ["Persona of B:", *(f" {line}" for line in DIALOGUE.persona), "\n"]
    for turn in DIALOGUE.turns:
        partner = ["A:", f" {turn.partner}", "\n"] if turn.partner not in (SILENCE, "") else []
        pieces += [*partner, "B:", f" {turn.reply}", "\n"]
    assert list(window.ids) == [
        token for piece in pieces for token in tokenizer.encode(piece, add_special_tokens=False)
    ]


def test_a_persona_that_is_withheld_has_no_effect(tokenizer):
    encoder = plain(tokenizer, persona_text=False)
    (window,) = encoder.encode(DIALOGUE)
    assert tokenizer.decode(window.ids) == TURNS
    assert encoder.encode(DIALOGUE.model_copy(update={"persona": ["x\ny"]})) == (window,)


def test_no_special_token_is_in_a_window(tokenizer):
    for persona_text in (True, False):
        encoder = plain(tokenizer, persona_text=persona_text)
        encoder.context = len(encoder.encode(DIALOGUE)[0].ids) * 4 // 5
        windows = encoder.encode(DIALOGUE)
        assert len(windows) > 1
        assert not {*tokenizer.all_special_ids} & {i for window in windows for i in window.ids}
    assert {*tokenizer.all_special_ids} <= {*encoder.forbidden}


@pytest.mark.parametrize("text", ["hi\nB: yes", "hi\n", "\n", "a\r\nb", "a \n\n b"])
def test_a_text_with_a_line_break_is_refused_by_name(broken_lines, text):
    encoder = plain(broken_lines)
    said = r"the text '.*\\n.*' holds '\\n', a mark of its format"
    for changed in (
        {"persona": [text]},
        {"turns": [Turn(partner=text, reply="a")]},
        {"turns": [Turn(partner="a", reply=text)]},
    ):
        with pytest.raises(ModelError, match=said) as refused:
            encoder.encode(DIALOGUE.model_copy(update=changed))
        assert "\n" not in str(refused.value)
    with pytest.raises(ModelError, match=said):
        encoder.segment(text)  # as a candidate
    special = Encoder(broken_lines, context=500)
    assert broken_lines.decode(special.segment(text)) == f" {text}"


def test_other_breaks_end_no_line(tokenizer):
    text = "a\rb\x0bc\u2028d\x85e"
    assert plain(tokenizer).format.closing not in plain(tokenizer).segment(text)
    assert plain(tokenizer).decode(plain(tokenizer).segment(text)) == text


def test_a_response_can_hold_no_line_break(broken_lines):
    encoder = plain(broken_lines)
    closing = broken_lines.encode("\n", add_special_tokens=False)
    assert closing == [encoder.format.closing]
    sayable = {*range(len(broken_lines))} - {*encoder.forbidden}
    assert closing[0] in sayable
    assert not any("\n" in broken_lines.decode([i]) for i in sayable - {*closing})
    longer = [i for i in encoder.forbidden if broken_lines.decode([i]).count("\n") > 1]
    assert longer  # or the tokenizer shows nothing


def test_a_tokenizer_without_a_token_for_the_lines_end_is_refused(broken_lines):
    tokenizer = train_tokenizer(LINES * 4, 300)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\n", "\r\n")
    with pytest.raises(ModelError, match=r"has 2 tokens for the end of a line .*'\\r\\n'"):
        plain(tokenizer)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\n", "\r")
    with pytest.raises(ModelError, match=r"has 1 tokens for the end of a line .*'\\r'"):
        plain(tokenizer)
