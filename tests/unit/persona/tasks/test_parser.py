"""Persona-chat's format: what is read, and that every fault is named with file and line."""

import pytest

from pipeline.errors import DataError, MissingFileError
from pipeline.persona.task.record import MOST_SENTENCES
from pipeline.persona.tasks.parser import Exchange, ParsedDialogue, parse, parse_file


CANDIDATES = "|".join([*(f"c{i}" for i in range(19)), "yes ."])
GOOD = f"""\
1 your persona: i have two dogs.
2 your persona: my job: nurse.
3 hi , how are you ?\ti am fine .
4 do you work ?\tyes .\t\t{CANDIDATES}
1 your persona: i swim.
2 __SILENCE__\thello !
"""


def write(tmp_path, content: bytes):
    path = tmp_path / "test_self_original.txt"
    path.write_bytes(content)
    return path


def test_everything_is_read_the_last_dialogue_too(tmp_path):
    expected = [
        ParsedDialogue(
            1,
            ["i have two dogs.", "my job: nurse."],  # not cut at the second colon
            [
                Exchange("hi , how are you ?", "i am fine .", None),
                Exchange("do you work ?", "yes .", (*(f"c{i}" for i in range(19)), "yes .")),
            ],
        ),
        ParsedDialogue(5, ["i swim."], [Exchange("__SILENCE__", "hello !", None)]),
    ]
    assert parse(GOOD, origin="x") == expected
    assert parse_file(write(tmp_path, GOOD.encode())) == expected


def test_line_ends_and_blank_lines_do_not_matter(tmp_path):
    expected = [(d.persona, d.exchanges) for d in parse(GOOD, origin="x")]
    for text in (GOOD.rstrip("\n"), GOOD.replace("\n", "\r\n"), GOOD.replace("\n1", "\n\n \n1")):
        parsed = parse_file(write(tmp_path, text.encode()))
        assert [(d.persona, d.exchanges) for d in parsed] == expected


def test_only_a_line_feed_ends_a_line(tmp_path):
    text = "1 your persona: i swim.\n2 a\u2028b\x0bc\rd\tyes\x85no\n"
    (dialogue,) = parse_file(write(tmp_path, text.encode()))
    assert dialogue.exchanges == [Exchange("a\u2028b\x0bc\rd", "yes\x85no", None)]


def test_a_reply_may_be_empty_or_marks_only():
    (dialogue,) = parse("1 your persona: i swim.\n2 hi\t\n3 so ?\t?!\n", origin="x")
    assert [exchange.reply for exchange in dialogue.exchanges] == ["", "?!"]


START = "1 your persona: i swim.\n2 hi\thello\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        pytest.param(START + "how are you ?\tfine\n", 3, "line number", id="no-number"),
        pytest.param(START + "\n3: hi\tfine\n", 4, "line number", id="no-blank-after-number"),
        pytest.param("٣ your persona: x\n", 1, "line number", id="digits-of-another-script"),
        pytest.param("9" * 5000 + " hi\tho\n", 1, "line number", id="a-number-of-5000-digits"),
        pytest.param("\ufeff" + START, 1, "line number", id="byte-order-mark"),
        pytest.param('{"train": []}\n', 1, "line number", id="json"),
        pytest.param("<!DOCTYPE html>\n<html>\n", 1, "line number", id="html"),
        pytest.param("1\0 \0y\0o\0", 1, "line number", id="utf-16"),
        pytest.param(START + "4 hi\tfine\n", 3, "number 4 where 3, or 1", id="skipped"),
        pytest.param(START + "2 hi\tfine\n", 3, "number 2 where 3, or 1", id="repeated"),
        pytest.param("2 hi\tfine\n", 1, "number 2 where 1 was", id="starts-inside"),
        pytest.param(START + "0 hi\tfine\n", 3, "number 0 where 3", id="zero"),
        pytest.param(START + "3 hi fine\n", 3, "found 0 tabs", id="no-tab"),
        pytest.param(START + "3 hi\tfine\t\n", 3, "found 2 tabs", id="two-tabs"),
        pytest.param(START + "3 hi\tfine\t\ta|b\t\n", 3, "found 4 tabs", id="four-tabs"),
        pytest.param(START + "3 \n", 3, "found 0 tabs", id="nothing-after-number"),
        pytest.param(START + f"3 hi\tyes .\t\tc|{CANDIDATES}", 3, "21 candidates, 20", id="21"),
        pytest.param(START + "3 hi\tyes .\t\t", 3, "1 candidates, 20", id="no-candidates"),
        pytest.param(START + f"3 hi\tno\t\t{CANDIDATES}", 3, "'no', is not among", id="no-gold"),
        pytest.param(START + f"3 hi\tc3\t\t{CANDIDATES}", 3, "must be the reply", id="gold-first"),
        pytest.param(START + "3 your persona: x\n", 3, "after the first exchange", id="late"),
        pytest.param("1 your persona: \n", 1, "empty persona sentence", id="empty-sentence"),
        pytest.param("1 partner's persona: x\n", 1, "self_original", id="partners-persona"),
        pytest.param("1 hi\tfine\n", 1, "self_original", id="no-persona"),
        pytest.param(START + "1 your persona: x\n", 3, "no exchange", id="truncated"),
        pytest.param(
            "1 your persona: x\n1 your persona: y\n2 a\tb\n", 2, "line 1 has no", id="persona-only"
        ),
        pytest.param("", 1, "empty", id="empty"),
        pytest.param(" \n\n", 1, "empty", id="blank"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, text, line, message):
    path = write(tmp_path, text.encode())
    with pytest.raises(DataError) as caught:
        parse_file(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("content", "line"),
    [
        pytest.param(START.encode() + b"3 hi\tcaf\xe9\n", 3, id="latin-1"),
        pytest.param(b"\x1f\x8b\x08\x00rest", 1, id="gzip"),
        pytest.param(START.encode("utf-16"), 1, id="utf-16-with-mark"),
        pytest.param(START.encode() + b"3 hi\tcaf\xc3", 3, id="cut-inside-a-letter"),
    ],
)
def test_other_encodings_and_binaries_are_refused(tmp_path, content, line):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match="not UTF-8") as caught:
        parse_file(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")


def test_a_missing_file_names_the_stage_that_writes_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"nothing\.txt.*stages\.download"):
        parse_file(tmp_path / "nothing.txt")


def test_a_persona_without_end_is_refused(tmp_path):
    lines = [f"{n} your persona: i like {n} ." for n in range(1, MOST_SENTENCES + 1)]
    (read,) = parse_file(write(tmp_path, "\n".join([*lines, "101 hi\tyo"]).encode()))
    assert len(read.persona) == MOST_SENTENCES
    more = [*lines, "101 your persona: i like tea .", "102 hi\tyo"]
    path = write(tmp_path, "\n".join(more).encode())
    with pytest.raises(DataError, match=r":101: a persona of over 100 sentences; shorten it$"):
        parse_file(path)
