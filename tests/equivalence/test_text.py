"""Normalisation and word split against second implementations, without regular expressions.

Written from ParlAI's description: "lower text, remove punctuation, articles and extra
whitespace", punctuation being converted to spaces; its split tokeniser puts blanks around six
marks.
"""

import string
from itertools import groupby

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.persona.task.text import normalise, words


def normalise_by_runs(reply: str) -> str:
    blanked = "".join(" " if c in string.punctuation else c for c in reply.lower())
    runs = ("".join(run) for _, run in groupby(blanked, key=str.isalnum))
    return " ".join("".join(" " if run in ("a", "an", "the") else run for run in runs).split())


def words_by_replacing(reply: str) -> list[str]:
    text = reply.lower()
    for mark in ".,;:!?":
        text = text.replace(mark, f" {mark} ")
    return text.split()


MARKS = st.sampled_from([*string.punctuation, "’", "–", "€", "…", "\u00a0", "\u2028", "\u0301"])
PIECES = st.sampled_from(["a", "an", "the", "The", "AN", "theme", "i", "Éa", "ß", "2", " ", "\t"])
REPLIES = st.one_of(st.text(), st.lists(st.one_of(PIECES, MARKS)).map("".join))


@given(REPLIES)
@example("")
@example("?!.,;:'")
@example("a's an-the_THE")
@example("the’s a\u0301 İ an\u00a0a")
def test_normalise(reply):
    assert normalise(reply) == normalise_by_runs(reply)


@given(REPLIES)
@example("")
@example("....")
@example("a.b?!c ; d:e")
def test_words(reply):
    assert words(reply) == words_by_replacing(reply)


@given(REPLIES)
def test_normal_forms_have_no_articles_no_marks_and_single_blanks(reply):
    normal = normalise(reply)
    assert not set(normal) & set(string.punctuation)
    assert not {"a", "an", "the"} & set(normal.split())
    assert normal == " ".join(normal.split())


@pytest.mark.real_data
def test_on_a_real_text(real_data):
    import lzma

    with lzma.open(real_data / "corpora" / "dialogue.txt.xz", "rt", encoding="utf-8") as file:
        for line, _ in zip(file, range(20_000), strict=False):
            assert normalise(line) == normalise_by_runs(line)
            assert words(line) == words_by_replacing(line)
