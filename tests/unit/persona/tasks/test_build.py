"""PersonaTask records from parsed dialogues."""

import pytest

from pipeline.errors import DataError
from pipeline.params import MaxPersonas, Tasks
from pipeline.persona.task.record import PersonaTask
from pipeline.persona.task.text import normalise
from pipeline.persona.tasks.build import build_tasks
from pipeline.persona.tasks.parser import Exchange, ParsedDialogue


def params(seed=0, **limits) -> Tasks:
    limits = {"train": None, "valid": None, "test": None} | limits
    return Tasks(seed=seed, max_personas=MaxPersonas(**limits))


def corpus(people=6, each=3, turns=4, candidates=False) -> list[ParsedDialogue]:
    """Dialogues of each person in turn; file order mixes them."""
    made = []
    for number in range(people * each):
        person = number % people
        exchanges = []
        for turn in range(turns):
            reply = f"person {person} says {number} {turn} ."
            others = (*(f"other {number} {turn} {i}" for i in range(19)), reply)
            exchanges.append(Exchange(f"turn {turn} ?", reply, others if candidates else None))
        persona = [f"i am {person} {i}." for i in range(4)]
        made.append(ParsedDialogue(1 + 8 * number, persona, exchanges))
    return made


def turns(tasks):
    return [turn for task in tasks for dialogue in task.dialogues for turn in dialogue.turns]


def test_a_task_has_all_dialogues_of_a_persona_in_file_order():
    tasks = build_tasks(corpus(), "test", params())
    assert [task.task_id for task in tasks] == [f"test-persona-{i:04d}" for i in range(6)]
    assert [[d.dialogue_id for d in task.dialogues] for task in tasks] == [
        [f"test-{i:05d}", f"test-{i + 6:05d}", f"test-{i + 12:05d}"] for i in range(6)
    ]
    assert {task.split for task in tasks} == {"test"}
    first = tasks[0].dialogues[1]
    assert first.persona == [f"i am 0 {i}." for i in range(4)]
    assert [(t.partner, t.reply) for t in first.turns] == [
        (f"turn {i} ?", f"person 0 says 6 {i} .") for i in range(4)
    ]


def test_every_split_has_candidates():
    for candidates in (True, False):
        given = corpus(candidates=candidates)
        for split in ("train", "valid", "test"):
            built = turns(build_tasks(given, split, params()))
            assert all(t.candidates[t.gold] == t.reply for t in built)
            assert {len(t.candidates) for t in built} == {20}


def test_only_training_can_do_without_candidates():
    few = corpus(people=2, each=1)
    assert {t.candidates for t in build_tasks(few, "train", params())[0].dialogues[0].turns} == {
        None
    }
    with pytest.raises(DataError, match="19 distractors"):
        build_tasks(few, "valid", params())


def test_the_corpus_own_candidates_are_kept_duplicates_too():
    reply = "yes ."
    twice = ("no", "no", *(f"c{i}" for i in range(16)), reply, reply)
    dialogue = ParsedDialogue(1, ["i swim."], [Exchange("hi", reply, twice)])
    (turn,) = turns(build_tasks([dialogue], "test", params()))
    assert sorted(turn.candidates) == sorted(twice)
    assert turn.candidates[turn.gold] == reply


def test_the_gold_reply_stands_anywhere():
    for candidates in (True, False):
        built = turns(build_tasks(corpus(turns=20, candidates=candidates), "test", params()))
        assert len({turn.gold for turn in built}) == 20


def test_drawn_distractors_are_of_other_personas():
    for task in build_tasks(corpus(), "test", params()):
        for turn in turns([task]):
            speakers = [c.split()[1] for i, c in enumerate(turn.candidates) if i != turn.gold]
            assert int(task.task_id[-1]) not in map(int, speakers)


def test_a_reply_of_the_same_persona_is_no_distractor_even_if_others_say_it():
    given = corpus()
    for dialogue in given[0:3]:  # persons 0, 1 and 2 share a reply
        dialogue.exchanges.append(Exchange("bye", "see you !", None))
    for task in build_tasks(given, "test", params())[:3]:
        for turn in turns([task]):
            candidates = [normalise(c) for c in turn.candidates]
            assert candidates.count("see you") == (turn.reply == "see you !")


def test_candidates_do_not_depend_on_which_personas_are_kept():
    everything = {task.task_id: task for task in build_tasks(corpus(), "test", params())}
    some = build_tasks(corpus(), "test", params(test=2))
    assert [everything[task.task_id] for task in some] == some


def test_max_personas_is_a_seeded_sample_in_file_order():
    given = corpus(people=30)
    kept = {
        seed: [task.task_id for task in build_tasks(given, "test", params(seed, test=5))]
        for seed in range(5)
    }
    assert all(len(set(ids)) == 5 and ids == sorted(ids) for ids in kept.values())
    assert len({tuple(ids) for ids in kept.values()}) == 5
    assert kept[0] == [task.task_id for task in build_tasks(given, "test", params(0, test=5))]
    assert len(build_tasks(given, "test", params(test=30))) == 30
    assert len(build_tasks(given, "test", params(test=99))) == 30
    assert len(build_tasks(given, "test", params(valid=1, train=1))) == 30


def test_max_dialogues_is_a_seeded_sample_of_each_held_out_persons():
    given = corpus(people=4) * 5  # five talks of each
    few = params().model_copy(update={"max_dialogues": 2})
    everything = {task.task_id: task.dialogues for task in build_tasks(given, "test", params())}
    kept = {task.task_id: task.dialogues for task in build_tasks(given, "test", few)}
    assert kept.keys() == everything.keys()
    assert {len(own) for own in kept.values()} == {2}
    assert all(one in everything[person] for person, own in kept.items() for one in own)
    assert all(
        [d.dialogue_id for d in own] == sorted(d.dialogue_id for d in own) for own in kept.values()
    )
    other = few.model_copy(update={"seed": 1})
    names = [
        [d.dialogue_id for t in build_tasks(given, "test", p) for d in t.dialogues]
        for p in (few, other)
    ]
    assert names[0] != names[1]
    assert [len(t.dialogues) for t in build_tasks(given, "train", few)] == [
        len(d) for d in everything.values()
    ]


def test_the_seed_moves_candidates_and_nothing_else():
    one, other = (build_tasks(corpus(), "test", params(seed)) for seed in (0, 1))
    assert one == build_tasks(corpus(), "test", params(0))
    assert [t.candidates for t in turns(one)] != [t.candidates for t in turns(other)]
    assert [(t.partner, t.reply) for t in turns(one)] == [
        (t.partner, t.reply) for t in turns(other)
    ]


def test_variants_of_one_persona_are_one_task():
    given = corpus(people=2, each=2)
    given[2].persona.append("and one more.")  # another variant of person 0
    assert [len(task.dialogues) for task in build_tasks(given, "train", params())] == [2, 2]


def test_too_few_others_to_draw_from():
    with pytest.raises(DataError, match=r"^test-00000/0: 19 distractors are needed"):
        build_tasks(corpus(people=2, each=2), "test", params())


def test_records_read_back_as_they_were():
    for task in build_tasks(corpus(), "valid", params()):
        assert PersonaTask.model_validate_json(task.model_dump_json()) == task
