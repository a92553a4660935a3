"""Whom nothing names is a person of their own, however a file is laid out."""

import json

import pytest

from pipeline.persona.conversation.tally import Tally
from tests.support.reading import tidied


def sharegpt(number):
    said = [("human", f"hello {number}"), ("gpt", f"hi {number}")]
    return {"conversations": [{"from": who, "value": what} for who, what in said]}


def personachat(number):
    utterance = {"history": [f"hello {number}"], "candidates": [f"no {number}", f"hi {number}"]}
    return {"personality": [" "] if number % 2 else [], "utterances": [utterance]}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("record", [sharegpt, personachat])
def test_in_a_file_of_one_line_and_of_many(record, indent, tmp_path):
    path, tally = tmp_path / "x.json", Tally()
    path.write_text(json.dumps([record(number) for number in range(4)], indent=indent))
    people = [conversation.person for conversation in tidied(path, tally)]
    assert people[0] == "x.json:" + ("2" if indent else "1")
    assert len({*people} - {None}) == 4
    assert any("is a person of its own" in note for note in tally.notes)


def test_who_has_a_personality_is_known_by_it(tmp_path):
    path, tally = tmp_path / "x.json", Tally()
    records = [personachat(number) | {"personality": ["i swim."]} for number in range(2)]
    path.write_text(json.dumps(records))
    assert [conversation.person for conversation in tidied(path, tally)] == [None, None]
    assert tally.notes == []
