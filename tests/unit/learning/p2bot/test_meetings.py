"""Receiver examples and meetings: who is a stranger, and nothing that gives him away."""

from random import Random

import pytest

from pipeline.errors import DataError
from pipeline.learning.p2bot.meetings import example, meeting, sentence_pool, voices
from pipeline.persona.task.record import Dialogue, PersonaTask, Turn
from pipeline.persona.task.text import normalise


def task(name: str, *personas: list[str]) -> PersonaTask:
    dialogues = [
        Dialogue(
            dialogue_id=f"{name}-{number}",
            persona=persona,
            turns=[Turn(partner=f"{name} asks", reply=f"{name} says {number}{i}") for i in (0, 1)],
        )
        for number, persona in enumerate(personas)
    ]
    return PersonaTask(task_id=name, split="train", dialogues=dialogues)


TASKS = [
    task("a", ["i own two cats.", "i sing."], ["i have two cats at home.", "i love to sing."]),
    task("b", ["i own two cats.", "i am a nurse."], ["i drive a car.", "i cook."]),
    task("c", ["i run.", "i read books."], ["i swim.", "i paint."], ["I SWIM", "i ski."]),
]


def test_a_voice_is_one_dialogues_own_side():
    first = voices(TASKS)[0]
    assert first.utterances == ("a says 00", "a says 01")
    assert first.persona == ("i own two cats.", "i sing.")
    assert len(voices([*TASKS, task("d", [])])) == 7  # a dialogue without persona has none


@pytest.mark.parametrize("seed", range(20))
def test_strangers_share_no_sentence_with_the_person_in_any_dialogue(seed):
    those = voices(TASKS)
    pool = sentence_pool(those)
    for voice in those:
        drawn = example(voice, pool, negatives=3, draw=Random(seed))
        own, *strangers = drawn.personas
        assert own == voice.persona
        assert len(strangers) == 3
        for stranger in strangers:
            said = [normalise(sentence) for sentence in stranger]
            assert len(set(said)) == len(own)
            assert not set(said) & voice.everywhere


def test_the_same_generator_draws_the_same():
    one, other = (
        example(voices(TASKS)[0], sentence_pool(voices(TASKS)), negatives=5, draw=Random(3))
        for _ in range(2)
    )
    assert one == other


def test_every_sentence_is_in_the_pool_once():
    pool = sentence_pool(voices(TASKS))
    assert len(pool) == len(set(pool)) == 13


def test_too_few_sentences_are_an_error():
    those = voices([task("a", ["i sing.", "i run."]), task("b", ["i ski."])])
    with pytest.raises(DataError, match="a persona of 2 sentences needs as many of others"):
        example(those[0], sentence_pool(those), negatives=1, draw=Random(0))


def test_two_different_persons_meet_and_the_second_has_opened():
    seen = set()
    for seed in range(50):
        met = meeting(TASKS, Random(seed))
        owners = [
            {t.task_id for t in TASKS for d in t.dialogues if tuple(d.persona) == persona}
            for persona in (met.first, met.second)
        ]
        assert owners[0] != owners[1]
        assert {met.opening.split()[0]} == owners[1]
        assert met.opening.endswith("0")  # the first reply of a dialogue
        seen.add((met.first, met.second))
    assert len(seen) > 10


def test_one_person_cannot_meet_anybody():
    with pytest.raises(DataError, match="two personas with sentences, found 1"):
        meeting([TASKS[0], task("d", [])], Random(0))
