"""Fresh test people: drawn from train by seed, with the other side of their dialogues gone."""

import pytest

from pipeline.errors import DataError
from pipeline.params import HeldOut
from pipeline.persona.tasks.held_out import hold_out
from pipeline.persona.tasks.parser import Exchange, ParsedDialogue


def said(person: int, number: int) -> list[str]:
    """Return a person's lines of one talk; everybody says the last one."""
    return [*(f"my line {n} of talk {number} by person {person}" for n in range(3)), "ok"]


def dialogue(partner: list[str], own: list[str]) -> ParsedDialogue:
    pairs = zip(partner, own, strict=True)
    return ParsedDialogue(1, ["i am ."], [Exchange(*pair, None) for pair in pairs])


@pytest.fixture
def corpus() -> tuple[list[ParsedDialogue], list[list[int]]]:
    """Eight people with four talks each; person p talks with person p + 4, both sides are there."""
    talks = [
        dialogue(["hi", *said((person + 4) % 8, number)[:3]], said(person, number))
        for person in range(8)
        for number in range(4)
    ]
    return talks, [[*range(4 * p, 4 * p + 4)] for p in range(8)]


def test_people_are_drawn_by_seed_alone(corpus):
    first = hold_out(*corpus, HeldOut(people=2, dialogues=4, seed=0))
    assert first == hold_out(*corpus, HeldOut(people=2, dialogues=3, seed=0))
    others = [hold_out(*corpus, HeldOut(people=2, dialogues=4, seed=s)) for s in range(1, 6)]
    assert any(one.held_out != first.held_out for one in others)
    assert len(first.held_out) == 2


def test_the_other_side_of_a_held_out_dialogue_is_no_training(corpus):
    divided = hold_out(*corpus, HeldOut(people=1, dialogues=2, seed=0))
    (held,) = divided.held_out
    person = held[0] // 4
    other = [*range(4 * ((person + 4) % 8), 4 * ((person + 4) % 8) + 4)]
    assert divided.other_sides == 4
    assert len(divided.train) == 6  # neither the person nor the one they talked with
    assert not {i for members in divided.train for i in members} & {*held, *other}


def test_short_lines_tell_no_dialogue(corpus):
    dialogues, groups = corpus
    dialogues.append(dialogue(["ok", "ok"], ["a", "b"]))
    groups.append([len(dialogues) - 1])
    divided = hold_out(dialogues, groups, HeldOut(people=1, dialogues=2, seed=0))
    assert groups[-1] in divided.train


def test_too_few_people_are_said_with_the_parameter(corpus):
    with pytest.raises(DataError, match=r"0 people have 5 dialogues or more.*held_out\.people"):
        hold_out(*corpus, HeldOut(people=1, dialogues=5, seed=0))
    with pytest.raises(DataError, match="8 people"):
        hold_out(*corpus, HeldOut(people=8, dialogues=4, seed=0))
