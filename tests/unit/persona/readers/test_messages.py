"""The documented format: what it holds, and how it is tidied."""

import json

import pytest

from pipeline.errors import DataError
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.conversation.tally import Tally
from tests.support.reading import raw, texts, tidied


SAMPLE = """\
{"person": "ana", "persona": ["i bake bread ."], "messages": [\
{"role": "system", "content": "Be kind."}, \
{"role": "user", "content": "hola 👋"}, {"role": "user", "content": "¿qué tal?"}, \
{"role": "assistant", "content": "bien !"}, {"role": "assistant", "content": "and you ?"}, \
{"role": "system", "content": "It is late."}, {"role": "user", "content": " "}, \
{"role": "assistant", "content": "good night"}, {"role": "user", "content": "bye"}]}

{"person": 17, "split": "test", "lang": "en", \
"messages": [{"role": "assistant", "content": "hi", "weight": 1}]}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def test_sides_alternate_and_the_end_is_the_persons(path):
    tally = Tally()
    ana, number = tidied(path, tally)
    assert texts(ana) == [
        ("user", "hola 👋\n¿qué tal?"),
        ("assistant", "bien !\nand you ?"),
        ("user", "It is late."),
        ("assistant", "good night"),
    ]
    assert ana.persona == ["Be kind.", "i bake bread ."]
    assert (number.person, number.split, texts(number)) == ("17", "test", [("assistant", "hi")])
    assert tally.counts() == {
        "messages without text": 1,
        "messages at an end without a reply": 1,
    }
    assert tally.notes == ["keys that are not read: lang"]


def test_system_messages_are_dropped_by_choice(path):
    tally = Tally()
    ana, _ = tidied(path, tally, system="drop")
    assert ana.persona == ["i bake bread ."]
    assert texts(ana)[1] == ("assistant", "bien !\nand you ?\ngood night")
    assert tally.counts()["system messages (data.system: drop)"] == 2


def test_an_array_is_read_as_well(path, tmp_path):
    records = [json.loads(line) for line in SAMPLE.splitlines() if line]
    (tmp_path / "array.json").write_text(json.dumps(records, indent=1))
    assert raw(tmp_path / "array.json") == raw(path)


def test_a_split_in_the_files_name_is_taken(tmp_path):
    for name in ("train", "dev", "test-00000"):
        (tmp_path / f"{name}.jsonl").write_text(SAMPLE.splitlines()[0])
    assert [one.split for one in raw(tmp_path)] == ["valid", "test", "train"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"messages": [{"role": "user"', "not JSON"),
        ('{"messages": [], "person": "a"}', "messages: List should have at least 1 item"),
        ('{"messages": [{"role": "user", "content": "x"}]}', 'no "person": say whose'),
        (
            '{"person": "a", "messages": [{"role": "tool", "content": "x"}]}',
            "unknown role 'tool'; one of system, user, assistant was expected",
        ),
        ('{"person": "a", "messages": [{"role": "user"}]}', "messages.0.content: Field required"),
        ('{"person": "a", "messages": [{"role": "user", "content": 1}]}', "valid string"),
        ('{"person": "a", "messages": "hi"}', "messages: Input should be a valid list"),
        ('{"person": "a", "person": "b", "messages": []}', "is there twice"),
        (
            '{"person": "a", "messages": [{"role": "user", "content": "\\ud800"}]}',
            "half a surrogate pair",
        ),
        ('{"person": "a", "split": "dev", "messages": [{"role": "user", "content": ""}]}', "split"),
        ('["messages"]', "found list"),
        ('{"person": "%s", "messages": []}' % ("x" * 501), "person"),
    ],
)
def test_one_broken_line_is_named_or_left_out(tmp_path, line, problem):
    good = json.dumps({"person": "b", "messages": [{"role": "assistant", "content": "yes"}]})
    path = tmp_path / "own.jsonl"
    path.write_text(f"{good}\n{line}\n{good}\n")
    with pytest.raises(DataError, match=f"own.jsonl:2: .*({problem}).*--skip-broken") as caught:
        raw(path)
    assert str(caught.value).isprintable()
    tally = Tally(skip_broken=True)
    assert len(raw(path, tally)) == 2
    assert tally.counts() == {"broken lines": 1}
    assert tally.left_out["broken lines"].first.startswith("own.jsonl:2: ")


def test_bytes_that_are_no_text_are_a_broken_line(tmp_path):
    path = tmp_path / "own.jsonl"
    good = SAMPLE.splitlines()[2].encode()
    path.write_bytes(good + b"\n{\xff}\n" + good)
    with pytest.raises(DataError, match=r"own\.jsonl:2: not UTF-8 text"):
        raw(path)
    assert len(raw(path, skip_broken=True)) == 2


def candidates(reply):
    return [*(f"no {number}" for number in range(19)), reply]


def test_candidates_stay_with_their_reply(tmp_path):
    said = [("user", "a"), ("assistant", " b "), ("user", "c"), ("assistant", "d")]
    record = {
        "person": "p",
        "messages": [{"role": role, "content": text} for role, text in said],
        "candidates": [candidates(" b "), None],
    }
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(record))
    (one,) = tidied(path)
    assert one.candidates == [candidates("b"), None]
    record["messages"].insert(2, {"role": "assistant", "content": "more"})
    record["candidates"] = [candidates(" b "), None, candidates("d")]
    path.write_text(json.dumps(record))
    (one,) = tidied(path)
    assert one.candidates == [None, candidates("d")]  # a joined reply is not the candidate any more


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], "candidates has 0 items, the person has 1 messages"),
        ([["yes"]], "must be 20 texts, the person's message among them; found 1"),
        ([candidates("no")], "must be 20 texts"),
        ([[" ", *candidates("yes")[1:]]], r"candidates\[0\] has a text without a letter"),
    ],
)
def test_candidates_that_do_not_fit_are_refused(given, problem):
    with pytest.raises(ValueError, match=problem):
        Conversation.model_validate(
            {
                "person": "p",
                "messages": [{"role": "assistant", "content": "yes"}],
                "candidates": given,
            }
        )


def conversation(*said):
    return {"person": "p", "messages": [{"role": role, "content": text} for role, text in said]}


def test_long_turns_are_cut_at_a_word(tmp_path):
    path = tmp_path / "own.jsonl"
    words = " ".join(f"word{number}" for number in range(100))
    path.write_text(json.dumps(conversation(("user", words), ("assistant", words))))
    tally = Tally()
    (one,) = tidied(path, tally, longest=50)
    (_, partner), (_, reply) = texts(one)
    assert words.startswith(reply + " ")
    assert words.endswith(" " + partner)
    assert 40 < len(reply) <= 50
    assert 40 < len(partner) <= 50
    assert tally.counts() == {"ends of turns that are too long (data.longest)": 2}
    (whole,) = tidied(path, longest=None)
    assert texts(whole) == [("user", words), ("assistant", words)]


def test_a_long_system_message_keeps_its_beginning(tmp_path):
    """Which says who somebody is: of six agents' prompts all lost it."""
    path = tmp_path / "own.jsonl"
    words = " ".join(f"word{number}" for number in range(100))
    said = conversation(("system", words), ("user", "hi"), ("assistant", "yo"))
    path.write_text(json.dumps(said))
    tally = Tally()
    (one,) = tidied(path, tally, longest=50)
    assert words.startswith(one.persona[0] + " ")
    assert 40 < len(one.persona[0]) <= 50
    assert tally.counts() == {"ends of system messages that are too long (data.longest)": 1}


def test_a_long_text_without_blanks_is_cut_as_well(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(conversation(("user", "字" * 90), ("assistant", "語" * 90))))
    (one,) = tidied(path, longest=50)
    assert texts(one) == [("user", "字" * 50), ("assistant", "語" * 50)]


def test_a_person_who_says_nothing_is_left_out(tmp_path):
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(conversation(("user", "hello ?"), ("user", "anybody ?"))))
    tally = Tally()
    assert tidied(path, tally) == []
    assert tally.counts()["conversations in which the person says nothing"] == 1
