"""Conversations in JSON Lines as dialogues: any corpus that is not Persona-chat's text."""

import json

import pytest

from pipeline.errors import DataError, MissingFileError
from pipeline.persona.tasks.conversations import ConversationFile, check_apart
from pipeline.persona.tasks.parser import Exchange


def line(person, *said, **values):
    messages = [{"role": role, "content": text} for role, text in said]
    return json.dumps({"person": person, "messages": messages, **values}, ensure_ascii=False) + "\n"


def written(tmp_path, *lines, name="train.jsonl"):
    path = tmp_path / name
    path.write_text("".join(lines), encoding="utf-8")
    return path


ANA = line("ana", ("user", "¿sí? 👋"), ("assistant", "yes"), persona=["i bake ."])
BO = line("bo", ("assistant", "hi"), ("user", "ho"), ("assistant", "he"))


def test_dialogues_are_read_whole_and_one_by_one(tmp_path):
    file = ConversationFile(written(tmp_path, ANA, BO, ANA))
    assert [one.exchanges for one in file] == [file[i].exchanges for i in range(3)]
    assert file[0].persona == ["i bake ."]
    assert file[0].exchanges == [Exchange("¿sí? 👋", "yes", None)]
    assert file[1].exchanges == [Exchange("__SILENCE__", "hi", None), Exchange("ho", "he", None)]
    assert file[-2:] == file[1:] == [file[1], file[2]]
    assert (len(file), file.exchanges, file.people()) == (3, [1, 2, 1], [[0, 2], [1]])
    assert [one.line for one in file] == [1, 2, 3]


def test_the_gold_candidate_is_last_wherever_it_was(tmp_path):
    offered = [f"no {number}" for number in range(20)]
    offered[4] = "yes"
    said = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "yes")]
    (one,) = ConversationFile(written(tmp_path, line("ana", *said, candidates=[None, offered])))
    assert one.exchanges[0].candidates is None
    assert one.exchanges[1].candidates == (*offered[:4], *offered[5:], "yes")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "empty; a split needs"),
        ("{}\n", r"train\.jsonl:1: not a valid Conversation"),
        (line("ana", ("user", "a")), "whose sides alternate up to a reply"),
        (line("ana", ("assistant", "a"), ("assistant", "b")), "whose sides alternate"),
        (line("ana", ("system", "a"), ("assistant", "b")), "whose sides alternate"),
        (line(None, ("assistant", "b")), "whose sides alternate"),
    ],
)
def test_what_download_did_not_write_is_refused(tmp_path, text, match):
    with pytest.raises(DataError, match=match):
        ConversationFile(written(tmp_path, text))


def test_a_missing_file_names_the_stage(tmp_path):
    with pytest.raises(MissingFileError, match=r"stages\.download"):
        ConversationFile(tmp_path / "train.jsonl")


def test_a_person_in_two_splits_is_refused(tmp_path):
    train = ConversationFile(written(tmp_path, ANA, BO))
    test = ConversationFile(written(tmp_path, BO, name="test.jsonl"))
    check_apart({"train": train})
    with pytest.raises(DataError, match="bo: in train and in test"):
        check_apart({"train": train, "test": test})
