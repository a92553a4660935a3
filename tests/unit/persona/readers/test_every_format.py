"""The same talks in seven formats are the same conversations; what is no corpus is said."""

import pytest

from pipeline.errors import DataError
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.corpus.own import survey
from pipeline.persona.readers.recognise import READERS, recognised
from tests.support.corpora import FORMATS, as_messages, as_personachat_text, messages, sides, world
from tests.support.reading import data, texts, tidied


WORLD = world(pairs=4, talks=2, turns=3)
EXPECTED = sorted(
    tuple((m["role"], m["content"]) for m in messages(talk, person))
    for person, talk in sides(WORLD)
)


def up_to_a_reply(said):
    """Leave out what nobody answers at the end, as tidying does."""
    return said if said[-1][0] == "assistant" else said[:-1]


def test_there_is_a_writer_for_every_reader():
    assert [*FORMATS] == [reader.name for reader in READERS]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_and_gives_the_same_conversations(tmp_path, name):
    path = FORMATS[name](WORLD, tmp_path)
    assert recognised(str(path), Tally()).reader.name == name
    found = sorted(tuple(texts(one)) for one in tidied(path))
    assert found == sorted(tuple(up_to_a_reply(said)) for said in EXPECTED)


@pytest.mark.parametrize("name", FORMATS)
def test_who_is_one_person_is_found_in_every_format(tmp_path, name):
    surveyed = survey(str(FORMATS[name](world(), tmp_path)), data())
    where = surveyed.placement
    by_person = {}
    for index, who in enumerate(where.person):
        by_person.setdefault(who, []).append(index)
    assert len(by_person) == 16
    assert {len(indices) for indices in by_person.values()} == {3}
    assert {surveyed.counts()[split]["people"] for split in ("valid", "test")} == {2}


@pytest.mark.parametrize("name", FORMATS)
def test_no_person_and_no_conversation_is_in_two_splits(tmp_path, name):
    surveyed = survey(str(FORMATS[name](world(), tmp_path)), data())
    people, keys = {}, {}
    for who, split, key in zip(
        surveyed.placement.person, surveyed.placement.split, surveyed.census.keys(), strict=True
    ):
        if split is not None:
            people.setdefault(who, set()).add(split)
            keys.setdefault(key, set()).add(split)
    assert {len(splits) for splits in (*people.values(), *keys.values())} == {1}
    assert surveyed.left_out["views of conversations that are held out for another person"] > 0


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "x.txt: empty"),
        (b" \n\n", "x.txt: empty"),
        (b"PK\x03\x04abc", r"packed \(zip\); unpack"),
        (b"\x1f\x8babc", r"packed \(gzip\); unpack"),
        ("hi".encode("utf-16"), "UTF-16 text; convert"),
        (b"\x89PNG\0\0", "no text; formats that are known"),
        (b"Dear diary, nobody answers.\n", "of no format that is known"),
        (b'{"question": "hi", "answer": "ho"}\n', "of no format that is known"),
        (b"a,b,c\n1,2,3\n", "of no format that is known"),
        (b"[1, 2, 3]", "of no format that is known"),
        (b"[" * 100_000, "of no format that is known"),
        (b"<html><script>alert(1)</script></html>", "of no format that is known"),
    ],
)
def test_what_is_no_corpus_is_said_in_a_line(tmp_path, content, match):
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=match) as caught:
        survey(str(path), data(skip_broken=True))
    assert str(caught.value).isprintable()


def test_a_folder_of_several_formats_is_refused(tmp_path):
    as_messages(WORLD, tmp_path)
    as_personachat_text(WORLD, tmp_path)
    with pytest.raises(DataError, match=r"several formats.*by a pattern"):
        recognised(str(tmp_path), Tally())
    assert recognised(f"{tmp_path}/*.jsonl", Tally()).files[0].name == "own.jsonl"


def test_other_files_of_a_folder_are_counted(tmp_path):
    as_messages(WORLD, tmp_path)
    (tmp_path / "README.md").write_text("Talks of ours.")
    (tmp_path / ".hidden").write_text("x")
    tally = Tally()
    assert len(recognised(str(tmp_path), tally).files) == 1
    assert tally.counts() == {"files that are no conversations": 1}


@pytest.mark.parametrize("path", ["no/such", "no/*.such"])
def test_a_path_without_files_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"no such file or folder|no file in it"):
        recognised(path, Tally())


def test_texts_of_scripts_and_terminals_are_texts(tmp_path):
    """They come through as they are; whoever shows them makes them visible."""
    wild = [("p0", "<script>alert('x')</script>"), ("p1", "\x1b[31mred\x07 & <b>bold</b> | a\\tb")]
    talks = [talk._replace(said=[*talk.said, *wild]) for talk in WORLD[:1]]
    for name in ("JSON Lines of person and messages", "ShareGPT's conversations"):
        (found, *_) = tidied(FORMATS[name](talks, tmp_path))
        assert {text for _, text in texts(found)} >= {wild[0][1]}
    (*_, last) = tidied(FORMATS["messenger log"](talks, tmp_path))
    assert texts(last)[-1] == ("assistant", wild[1][1])
