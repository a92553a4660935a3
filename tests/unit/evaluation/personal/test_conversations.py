"""Conversations of a person from JSON Lines, and which of them is held out."""

import json

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.personal.conversations import read_people
from pipeline.evaluation.personal.person import Person, chosen
from pipeline.model.sequences.formats import Blanks, Format
from pipeline.persona.task.record import SILENCE
from stages.talk.person import person_of
from tests.conftest import a_dialogue
from tests.support.finetuning import finetune_params


def say(*said):
    roles = {"u": "user", "a": "assistant"}
    return [{"role": roles[one[0]], "content": one[2:]} for one in said]


def write(path, *conversations):
    lines = [json.dumps({"person": name, "messages": said}) for name, said in conversations]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_sides_alternate_and_the_end_is_answered(tmp_path):
    said = say("a:hi", "u:hello", "u: you ? ", "a:fine", "a:and you", "a: ", "u:bye")
    (dialogue,) = read_people(write(tmp_path / "f", ("ann", said)))["ann"]
    assert [(t.partner, t.reply) for t in dialogue.turns] == [
        (SILENCE, "hi"),
        ("hello\nyou ?", "fine\nand you"),
    ]
    assert dialogue.dialogue_id == "ann/0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: empty; each line must be a conversation"),
        ("hello\n", "f:1: not a valid Conversation"),
        ('{"text": "a"}\n', "f:1: not a valid Conversation: person"),
        ('{"person": "ann", "messages": [{"role": "robot", "content": "x"}]}', "messages.0.role"),
        ('{"person": "ann", "messages": [{"role": "user", "content": "x"}]}', "'ann' says nothing"),
    ],
)
def test_another_format_is_refused_by_line(tmp_path, text, message):
    (tmp_path / "f").write_text(text)
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        read_people(tmp_path / "f")


def test_several_people_and_no_name(tmp_path):
    path = write(tmp_path / "f", ("ann", say("a:x")), ("b\x1b[2Jb", say("a:y")))
    with pytest.raises(DataError, match=r"2 people; name one with --name: ann, b\\x1b\[2Jb"):
        person_of([path], [], None)
    assert person_of([path], [], "ann").name == "ann"
    with pytest.raises(DataError, match="no person 'eve'"):
        chosen(read_people(path), "eve", "f")


def test_one_dialogue_is_held_out_and_never_support():
    params = finetune_params()
    dialogues = tuple(
        a_dialogue(7 * i).model_copy(update={"dialogue_id": str(i)}) for i in range(4)
    )
    fold = Person("ann", dialogues).fold(params)
    assert fold.k == 3
    assert len(fold.query) == 1
    copy = fold.query[0].model_copy(update={"dialogue_id": "copy"})
    assert Person("ann", dialogues, (copy,)).fold(params) == fold
    assert Person("ann", (), dialogues).fold(params).query == ()
    assert Person("ann", dialogues[:1]).fold(params).support == dialogues[:1]
    alone = Person("ann", dialogues[:1], dialogues[1:]).fold(params)
    assert (alone.support, alone.query) == (dialogues[1:], dialogues[:1])


def test_line_ends_are_blanks_where_they_are_marks():
    turn = a_dialogue().turns[0].model_copy(update={"reply": "a\nb"})
    dialogue = a_dialogue().model_copy(update={"turns": [turn]})
    person = Person("ann", (dialogue,))
    marks = Format((), (), (), (), (), (), (), 0, Blanks())
    assert person.in_format(marks) is person
    plain = Format((), (), (), (), (), (), (), 0, Blanks(), reserved=("\n",))
    assert person.in_format(plain).dialogues[0].turns[0].reply == "a b"
