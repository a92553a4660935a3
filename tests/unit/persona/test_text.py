"""ParlAI's normalisation and word split: every rule and their order."""

import pytest

from pipeline.persona.task.text import normalise, words


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param("Hi There", "hi there", id="lower-case"),
        pytest.param("i'm 20 , you ?", "i m 20 you", id="punctuation-becomes-blanks"),
        pytest.param("well-known a_b c@d", "well known b c d", id="inside-words-too"),
        pytest.param("a dog , an apple , the sea", "dog apple sea", id="articles-go"),
        pytest.param("theme another bath", "theme another bath", id="only-whole-words"),
        pytest.param("a's", "s", id="articles-after-punctuation"),
        pytest.param("The END", "end", id="articles-after-lower-case"),
        pytest.param("  two \t\n blanks  ", "two blanks", id="blanks-squeezed"),
        pytest.param("the a an", "", id="articles-only"),
        pytest.param("?! ... ;-)", "", id="punctuation-only"),
        pytest.param("", "", id="empty"),
        pytest.param("café – the Straße", "café – straße", id="other-alphabets-stay"),
    ],
)
def test_normalise(reply, expected):
    assert normalise(reply) == expected


def test_every_ascii_punctuation_mark_is_a_blank():
    assert normalise(r"""x!"#$%&()*+,-./:;<=>?@[]\^`{|}~_'y""") == "x y"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param("i am 20.", ["i", "am", "20", "."], id="full-stop"),
        pytest.param("Oh,no ; ok:yes", ["oh", ",", "no", ";", "ok", ":", "yes"], id="inside"),
        pytest.param("what ?!", ["what", "?", "!"], id="each-mark-alone"),
        pytest.param("i'm well-off", ["i'm", "well-off"], id="other-marks-stay"),
        pytest.param(" ", [], id="blank"),
    ],
)
def test_words(reply, expected):
    assert words(reply) == expected
