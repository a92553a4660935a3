"""What an export reads by itself is what `stages.chat` reads: the same people, turns, refusals."""

import json
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.errors import DataError
from pipeline.evaluation.personal import conversations
from pipeline.model.export.folder import SHIPPED
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.task.record import SILENCE
from tests.support.reading import data


seeded = settings(max_examples=300, deadline=None, derandomize=True)

WORDS = (
    "a",
    "b c",
    "  ",
    "one two three four five six seven",
    "x" * 30,
    "\ud83d",
    "é\u2028\n",
    "b",
)
texts = st.sampled_from([*WORDS, SILENCE]) | st.lists(st.sampled_from(WORDS[:5])).map(" ".join)
odd = st.sampled_from([None, 3, True, 1.5, "", " ", [], {}, "robot", "n" * 501])
roles = st.sampled_from(["user", "assistant", "assistant", "user", "system"])
message = st.fixed_dictionaries({"role": roles, "content": texts})
wrong_message = st.fixed_dictionaries({"role": roles | odd, "content": texts | odd}) | odd
names = st.sampled_from(["ann", " ann ", "bob", 7, "7", "Jos\xe9", "Jose\u0301 "])
twenty = st.just([*map(str, range(19)), "a"]) | st.just(["a"]) | st.none() | odd
conversation = st.fixed_dictionaries(
    {"person": names, "messages": st.lists(message, min_size=1, max_size=5)},
    optional={"persona": st.lists(texts, max_size=2), "split": st.sampled_from([None, "test"])},
)
wrong = st.fixed_dictionaries(
    {"person": names | odd, "messages": st.lists(wrong_message, max_size=3) | odd},
    optional={
        "persona": st.lists(texts | odd, max_size=2) | odd,
        "split": odd,
        "conversation": names | odd,
        "candidates": st.lists(twenty, max_size=3) | odd,
        "more": st.sampled_from([float("nan"), float("inf"), 1.5, "x"]),
    },
)
# A key that is there twice is the only fault of it.
TWICE = '{"person": "ann", "person": "bob", "messages": [{"role": "assistant", "content": "hi"}]}'
lines = (
    conversation.map(json.dumps)
    | conversation.map(lambda record: json.dumps(record, ensure_ascii=False))
    | wrong.map(json.dumps)
    | st.sampled_from(
        [
            "",
            " \r",
            "{",
            "[]",
            "7",
            '{"person": "ann", "person": "bob"}',
            '{"x": 1e999}',
            "[",
            TWICE,
        ]
    )
).map(lambda text: text.encode("utf-8", "surrogatepass"))
files = st.lists(lines, max_size=8).map(b"\n".join)
# By its first records our reader tells the format; an array is another layout of it.
FIRST = json.dumps(
    {"person": "ann", "messages": [{"role": "assistant", "content": "first of all"}]}
).encode()


@pytest.fixture(scope="module")
def exported():
    """The reader, imported as a program in an export imports it."""
    sys.path.insert(0, str(SHIPPED))
    try:
        import conversations as exported_reader
        import json_lines
    finally:
        sys.path.remove(str(SHIPPED))
        for name in ("conversations", "json_lines"):
            sys.modules.pop(name, None)
    return exported_reader.read_people, json_lines.UnusableError


def read_or_refused(exported, path, how):
    """The export's people, or null: refused, in one line."""
    read, unusable = exported
    said = ""
    try:
        return read(path, how, Counter())
    except unusable as error:
        said = str(error)
    assert said.isprintable()
    assert len(said) < 700
    return None


def word_for_word(census, person):
    """Return the conversations without the only copies that an export knows."""
    first = {}
    for index, who in enumerate(person):
        first.setdefault((who, census.texts[index]), index)
    return list(first.values())


def ours(path, how):
    """Our people, or null: refused; a partner who is silent says nothing there."""
    values = {key: how[key] for key in ("longest", "skip_broken", "system")}
    try:
        with patch.object(conversations, "had_once", word_for_word):
            people = conversations.read_people(path, data(**values), Tally(how["skip_broken"]))
    except DataError:
        return None
    return {
        name: [
            (d.persona, [("" if t.partner == SILENCE else t.partner, t.reply) for t in d.turns])
            for d in own
        ]
        for name, own in people.items()
    }


@seeded
@example(content=TWICE.encode(), mark=b"", longest=None, system="keep", skip_broken=False)
@given(
    content=files,
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
    longest=st.sampled_from([None, 20, 33]),
    system=st.sampled_from(["keep", "drop"]),
    skip_broken=st.booleans(),
)
def test_the_exported_reader_reads_as_the_chat_does(
    exported, content, mark, longest, system, skip_broken
):
    how = {"longest": longest, "system": system, "skip_broken": skip_broken, "silence": SILENCE}
    with TemporaryDirectory() as folder:
        path = Path(folder, "f.jsonl")
        path.write_bytes(mark + FIRST + b"\n" + content)
        assert read_or_refused(exported, path, how) == ours(path, how)


@seeded
@given(content=st.binary(max_size=60) | files, skip_broken=st.booleans())
def test_whatever_a_file_holds_is_read_or_refused_in_a_line(exported, content, skip_broken):
    how = {"longest": 20, "system": "keep", "skip_broken": skip_broken, "silence": SILENCE}
    with TemporaryDirectory() as folder:
        path = Path(folder, "f.jsonl")
        path.write_bytes(content)
        found, expected = read_or_refused(exported, path, how), ours(path, how)
        if content.lstrip()[:1] != b"[":  # our reader takes an array, too
            assert expected in (None, found)
