"""Conversations of a person, in every format, and which of them is held out."""

import json
from dataclasses import replace

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.personal.conversations import read_people
from pipeline.evaluation.personal.person import Person, chosen
from pipeline.model.sequences.formats import Blanks, Format
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.task.record import SILENCE, Turn
from stages.talk.person import person_of
from tests.conftest import a_dialogue
from tests.support.corpora import FORMATS, sides, world
from tests.support.finetuning import finetune_params
from tests.support.reading import data
from tests.support.toy_project import toy_params, write_params


def say(*said):
    roles = {"u": "user", "a": "assistant"}
    return [{"role": roles[one[0]], "content": one[2:]} for one in said]


def write(path, *conversations):
    lines = [json.dumps({"person": name, "messages": said}) for name, said in conversations]
    path.write_text("\n".join(lines) + "\n")
    return path


def people(path, **values):
    return read_people(path, data(**values), Tally())


def test_sides_alternate_and_the_end_is_answered(tmp_path):
    said = say("a:hi", "u:hello", "u: you ? ", "a:fine", "a:and you", "a: ", "u:bye")
    (dialogue,) = people(write(tmp_path / "f", ("ann", said)))["ann"]
    assert [(t.partner, t.reply) for t in dialogue.turns] == [
        (SILENCE, "hi"),
        ("hello\nyou ?", "fine\nand you"),
    ]
    assert dialogue.dialogue_id == "ann/0"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_a_corpus_is_read_as_the_corpus_is(tmp_path, name):
    """The same people say the same things, whatever the format."""
    path = FORMATS[name](WORLD, tmp_path)
    found = people(path)
    said = {tuple((t.partner, t.reply) for t in d.turns) for own in found.values() for d in own}
    assert said == exchanges()
    assert len(found) == 4
    assert {len(own) for own in found.values()} == {2}
    assert sum(d.persona != [] for own in found.values() for d in own) in (0, 8)
    assert len({d.dialogue_id for own in found.values() for d in own}) == 8


WORLD = world(pairs=2, talks=2, turns=3)


def exchanges():
    pairs = set()
    for person, talk in sides(WORLD):
        said = [text for _, text in talk.said]
        first = talk.said[0][0] == person
        said = [SILENCE, *said] if first else said
        pairs.add(tuple(zip(said[::2], said[1::2], strict=False)))
    return pairs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: empty; a corpus has at least one conversation"),
        ("hello\n", "f: of no format that is known"),
        ('{"text": "a"}\n', "f: of no format that is known"),
        (
            '{"person": "ann", "messages": [{"role": "robot", "content": "x"}]}',
            "f:1: unknown role 'robot'",
        ),
        (
            '{"person": "ann", "messages": [{"role": "user", "content": "x"}]}',
            "f: no conversation with a reply of a person",
        ),
    ],
)
def test_what_is_no_conversation_is_refused(tmp_path, text, message):
    (tmp_path / "f").write_text(text)
    with pytest.raises(DataError, match=message):
        people(tmp_path / "f")


def test_a_broken_line_is_named_or_left_out_and_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, toy_params())
    path = write(tmp_path / "f", ("ann", say("a:x")))
    with path.open("a") as file:
        file.write("{\n")
    with pytest.raises(DataError, match=r"f:2: not JSON .*leave broken lines out \(data.skip_br"):
        person_of([path], [], None)
    params = toy_params()
    params["data"]["skip_broken"] = True
    write_params(tmp_path, params)
    assert len(person_of([path], [], None).dialogues) == 1
    assert "f: left out: 1 broken lines" in capsys.readouterr().err


def test_what_a_person_has_twice_counts_once_and_is_said(tmp_path, monkeypatch, capsys):
    """Or the held-out conversation is adapted to. Another person may say the same."""
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, toy_params())
    said = [say("u:hi", f"a:{word}") for word in ("one", "two")]
    path = write(tmp_path / "f", *(("ann", one) for one in (*said, *said)), ("bob", said[0]))
    ann = person_of([path], [], "ann")
    assert [d.turns[0].reply for d in ann.dialogues] == ["one", "two"]
    assert [d.dialogue_id for d in ann.dialogues] == ["ann/0", "ann/1"]
    assert (
        "f: left out: 2 conversations of which a person has most already" in capsys.readouterr().err
    )
    fold = ann.fold(finetune_params())
    assert [d.turns for d in fold.query] not in [[d.turns] for d in fold.support]
    assert len(person_of([path], [], "bob").dialogues) == 1


def test_of_two_exports_of_one_chat_the_longer_counts(tmp_path):
    whole = say(*(f"{'ua'[turn % 2]}:this is message {turn}" for turn in range(12)))
    path = write(tmp_path / "f", ("ann", whole[:8]), ("ann", say("u:hi", "a:yes")), ("ann", whole))
    tally = Tally()
    ann = read_people(path, data(), tally)["ann"]
    assert [len(dialogue.turns) for dialogue in ann] == [1, 6]
    assert tally.counts() == {"conversations of which a person has most already": 1}


def test_several_people_and_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, toy_params())
    path = write(tmp_path / "f", ("ann", say("a:x")), ("b\x1b[2Jb", say("a:y")))
    with pytest.raises(DataError, match=r"2 people; name one with --name: ann, b\\x1b\[2Jb"):
        person_of([path], [], None)
    assert person_of([path], [], "ann").name == "ann"
    with pytest.raises(DataError, match="no person 'eve'"):
        chosen(people(path), "eve", "f")


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


def a_talk(name, topic, turns):
    said = [
        Turn(partner=f"what of {topic} {number} ?", reply=f"that of {topic} {number}")
        for number in range(turns)
    ]
    return a_dialogue().model_copy(update={"dialogue_id": name, "turns": said})


@pytest.mark.parametrize("turns", [3, 4, 6, 12])  # 6 are held out
def test_an_older_or_newer_export_as_support_does_not_show_the_held_out_dialogue(turns):
    """Nor does a support have a dialogue twice: the longer counts."""
    params, topics = finetune_params(), ("tea", "books", "rain")
    ann = Person("ann", tuple(a_talk(f"own {topic}", topic, 6) for topic in topics))
    held_out = ann.fold(params).query
    others = tuple(a_talk(topic, topic, turns) for topic in (*topics, "new"))
    more = replace(ann, support=(*others, others[-1]))
    fold = more.fold(params)
    assert fold.query == held_out
    topic = held_out[0].dialogue_id.removeprefix("own ")
    kept = "" if turns > 6 else "own "
    left = {f"{kept}{each}" for each in topics if each != topic} | {"new"}
    assert sorted(dialogue.dialogue_id for dialogue in fold.support) == sorted(left)
    assert more.left_out(fold) == (1, 3)


def test_what_support_alone_has_twice_counts_once():
    params = finetune_params()
    older, newer = a_talk("older", "tea", 5), a_talk("newer", "tea", 6)
    assert Person("ann", (), (older, newer)).fold(params).support == (newer,)
    alone = Person("ann", (a_talk("own", "rain", 4),), (older, newer)).fold(params)
    assert (alone.support, alone.query[0].dialogue_id) == ((newer,), "own")


def test_a_person_without_further_support_is_as_finetune_has_them():
    """A task may have copies; its numbers are those of finetune."""
    own = tuple(a_talk(str(number), "tea", number) for number in (4, 5, 6))
    assert Person("ann", own).fold(finetune_params()).k == 2


def test_line_ends_are_blanks_where_they_are_marks():
    turn = a_dialogue().turns[0].model_copy(update={"reply": "a\nb"})
    dialogue = a_dialogue().model_copy(update={"turns": [turn]})
    person = Person("ann", (dialogue,))
    marks = Format((), (), (), (), (), (), (), 0, Blanks())
    assert person.in_format(marks) is person
    plain = Format((), (), (), (), (), (), (), 0, Blanks(), reserved=("\n",))
    assert person.in_format(plain).dialogues[0].turns[0].reply == "a b"
