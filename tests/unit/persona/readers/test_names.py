"""Who is one person: accents in either spelling, and accounts that are nobody's any longer."""

import json
from unicodedata import normalize

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.personal.person import chosen
from pipeline.persona.conversation.record import LONGEST_NAME, Conversation
from pipeline.persona.conversation.tally import Tally
from tests.support.reading import raw


ONE, TWO = normalize("NFC", "José"), normalize("NFD", "José")


def json_lines(name, number):
    said = [{"role": "user", "content": f"{number}?"}, {"role": "assistant", "content": "yes"}]
    return json.dumps({"person": name, "messages": said})


def convokit(name, number):
    given = {"id": f"{name}{number}", "conversation_id": "a", "speaker": name, "text": "yes"}
    return json.dumps(given)


def messenger(name, number):
    return f"[13/02/2024, 21:15:{number:02}] {name}: yes"


@pytest.mark.parametrize("line", [json_lines, convokit, messenger])
def test_accents_in_two_spellings_are_one_person(line, tmp_path):
    assert ONE != TWO
    path = tmp_path / ("x.txt" if line is messenger else "x.jsonl")
    names = [ONE, "Bo", TWO, f" {TWO} "]
    path.write_text("".join(line(name, n) + "\n" for n, name in enumerate(names)), encoding="utf-8")
    assert {conversation.person for conversation in raw(path)} == {ONE, "Bo"}


@pytest.mark.parametrize("line", [convokit, messenger])
def test_two_spellings_are_one_speaker_of_a_conversation(line, tmp_path):
    path = tmp_path / ("x.txt" if line is messenger else "x.jsonl")
    path.write_text("".join(line(name, 0) + "\n" for name in (ONE, TWO, "Bo")), encoding="utf-8")
    assert len(raw(path)) == 2
    assert [m.role for m in raw(path)[0].messages] == ["assistant", "assistant", "user"]


def test_a_person_is_found_by_either_spelling():
    assert chosen({ONE: [], "Bo": []}, TWO, "chats") == ONE


def test_a_name_that_is_too_long_only_as_it_is_compared_is_named(tmp_path):
    longer = "\u0958" * (LONGEST_NAME - 1)  # which becomes two characters
    with pytest.raises(ValueError, match="at most 500 items"):
        Conversation.model_validate(
            {"person": longer, "messages": [{"role": "user", "content": ""}]}
        )
    path = tmp_path / "x.jsonl"
    path.write_text(convokit("ann", 0) + "\n" + convokit(longer, 1) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"x\.jsonl:2: .* 1 to 500 characters"):
        raw(path)


def test_accounts_that_are_gone_are_nobody_to_be_learnt(tmp_path):
    path, tally = tmp_path / "x.jsonl", Tally()
    names = ["ann", "[deleted]", "bo", "[removed]"]
    path.write_text("".join(convokit(name, n) + "\n" for n, name in enumerate(names)))
    found = raw(path, tally)
    assert [conversation.person for conversation in found] == ["ann", "bo"]
    assert all(len(conversation.messages) == 4 for conversation in found)  # they are still heard
    (left_out,) = (count for what, count in tally.counts().items() if "gone" in what)
    assert left_out == 2
