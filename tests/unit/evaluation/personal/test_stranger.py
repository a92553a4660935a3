"""Whoever has a conversation of a person is no stranger to them."""

import pytest

from pipeline.evaluation.personal.adapted import Loss, Measured
from pipeline.evaluation.personal.stranger import swapped_apart
from pipeline.evaluation.predict.protocols import Fold, swapped
from pipeline.persona.corpus.copies import copies, messages_of
from pipeline.persona.task.record import SILENCE, Dialogue, PersonaTask, Turn
from stages.talk.words import losses
from tests.support.finetuning import finetune_params


PARAMS = finetune_params()


def dialogue(name, messages):
    """A dialogue in which the first message is the partner's."""
    turns = [
        Turn(partner=partner, reply=reply)
        for partner, reply in zip(messages[::2], messages[1::2], strict=True)
    ]
    return Dialogue(dialogue_id=name, persona=[], turns=turns)


def talk(topic, messages=8):
    return [f"what was said of {topic} {number}" for number in range(messages)]


def task(name, *talks):
    dialogues = [dialogue(f"{name}/{number}", each) for number, each in enumerate(talks)]
    return PersonaTask(task_id=name, split="test", dialogues=dialogues)


def fold_of(*talks):
    """Hold the last of ann's talks out."""
    own = task("ann", *talks).dialogues
    return Fold("leave_one_out", "ann", tuple(own[:-1]), (own[-1],))


ANN = fold_of(talk("tea"), talk("books"), talk("rain"))
BOB = task("bob", talk("cars"), talk("films"))


def drawn(fold, *people):
    found, left_out = swapped_apart(fold, people, PARAMS)
    return found and found.support[0].dialogue_id.partition("/")[0], left_out


def other_side(messages):
    return [SILENCE, *messages[:-1]]


@pytest.mark.parametrize(
    "talks",
    [
        (talk("tea"), talk("books"), talk("rain")),  # the person, under another name
        (talk("cars"), talk("rain")),
        (talk("cars"), other_side(talk("rain"))),
        (talk("cars"), talk("tea")),  # one that is no query
        (talk("cars"), talk("tea", 6)),  # an older export
        (talk("cars"), talk("tea", 12)),  # a newer one
        (talk("cars"), talk("tea", 40)),  # of which the person has a part
    ],
)
def test_who_has_a_conversation_of_the_person_is_no_stranger(talks):
    assert drawn(ANN, task("test-persona-0001", *talks)) == (None, 1)
    for number in range(8):  # the draw depends on the name
        who = task(f"test-persona-{number}", *talks)
        assert drawn(ANN, who, BOB)[0] == "bob"


def test_short_conversations_are_the_persons_if_most_are_or_one_is_held_out():
    ann = fold_of(["hi", "yes"], ["ok", "bye"], ["are we going to see it ?", "no"])
    assert drawn(ann, task("x", ["hi", "yes"], ["ok", "bye"]))[0] is None
    assert (
        drawn(ann, task("x", ["are we going to see it ?", "no"], talk("a"), talk("b")))[0] is None
    )
    assert drawn(ann, task("x", ["hi", "yes"], talk("a"), talk("b")))[0] == "x"
    greeted = fold_of(talk("tea"), talk("books"), ["hi", "yes"])
    assert drawn(greeted, task("x", ["hi", "yes"], talk("a"), talk("b")))[0] == "x"


def test_silence_is_no_message():
    """Two monologues have nothing in common."""
    ann = fold_of(talk("tea"), talk("books"), [SILENCE, "that is a long day"])
    assert messages_of(ann.query[0]) == ["that is a long day"]
    silent = [SILENCE, "one", SILENCE, "two"]
    assert not copies([dialogue("a", silent)], of=[dialogue("b", [SILENCE, "it"])])


def test_a_stranger_is_whom_finetune_draws():
    people = [task(f"p{number}", talk(f"a{number}"), talk(f"b{number}")) for number in range(9)]
    assert swapped_apart(ANN, people, PARAMS) == (swapped(ANN, people, PARAMS), 0)


def test_nobody_left_is_said():
    found = Measured(Loss(4.0, 9), Loss(3.0, 9), None, 2)
    (line,) = losses(found, "1 dialogue")[1:]
    assert line.startswith("no stranger among the test people has as many dialogues: no control")
    assert line.endswith("(left out, as they have conversations of the person: 2)")
    (line,) = losses(Measured(found.before, found.after, None), "1 dialogue")[1:]
    assert line.endswith("no control")
