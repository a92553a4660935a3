"""Leave-one-out, swap and k-shot: who supports, who is scored."""

import pytest

from pipeline.errors import ParamsError
from pipeline.evaluation.predict.protocols import (
    k_shot,
    leave_one_out,
    permuted,
    require_k_shot,
    swapped,
)
from pipeline.params import Finetune, MaxFolds
from pipeline.persona.task.record import PersonaTask
from tests.conftest import a_dialogue


def task(number, dialogues, split="test"):
    return PersonaTask(
        task_id=f"{split}-{number}",
        split=split,
        dialogues=[a_dialogue(100 * number + d) for d in range(dialogues)],
    )


def settings(seed=0, valid=None, test=None, k=(0, 1, 3)):
    return Finetune(
        seed=seed,
        optimizer="sgd",
        lr=0.1,
        batch_size=None,
        epochs=[0, 1],
        k=list(k),
        in_context=False,
        max_folds=MaxFolds(valid=valid, test=test),
    )


def ids(dialogues):
    return {dialogue.dialogue_id for dialogue in dialogues}


def test_leave_one_out_holds_each_dialogue_out_once():
    person = task(1, 5)
    folds = leave_one_out(person, settings())
    assert {fold.query[0].dialogue_id for fold in folds} == ids(person.dialogues)
    for fold in folds:
        assert len(fold.query) == 1
        assert ids(fold.support) == ids(person.dialogues) - ids(fold.query)
        assert fold.k == 4


def test_max_folds_is_the_splits_own():
    params = settings(valid=1, test=2)
    assert len(leave_one_out(task(1, 5), params)) == 2
    assert len(leave_one_out(task(1, 5, "valid"), params)) == 1
    assert leave_one_out(task(1, 1), params) == []


def test_which_dialogues_are_held_out_depends_on_the_seed_alone():
    person = task(1, 9)
    chosen = {
        seed: [f.key for f in leave_one_out(person, settings(seed, test=2))] for seed in range(5)
    }
    assert chosen[0] == [f.key for f in leave_one_out(person, settings(0, test=2))]
    assert len({tuple(keys) for keys in chosen.values()}) > 1


def test_swap_takes_as_many_dialogues_of_one_stranger():
    people = [task(1, 5), task(2, 4), task(3, 3)]
    for fold in leave_one_out(people[0], settings()):
        stranger = swapped(fold, people, settings())
        assert stranger is not None
        assert stranger.query == fold.query
        assert stranger.k == fold.k == 4
        assert ids(stranger.support) <= ids(people[1].dialogues)  # the third has too few
        assert not ids(stranger.support) & ids(people[0].dialogues)


def test_no_stranger_with_enough_dialogues():
    person = task(1, 5)
    fold = leave_one_out(person, settings())[0]
    assert swapped(fold, [person, task(2, 3)], settings()) is None


def test_k_shot_supports_are_nested_and_the_query_is_the_same():
    person = task(1, 6)
    folds = k_shot(person, settings())
    assert [fold.k for fold in folds] == [0, 1, 3]
    order = permuted(person, 0)
    for fold in folds:
        assert fold.support == order[: fold.k]
        assert fold.query == order[3:]


def test_a_persona_without_query_is_left_out_at_every_k():
    assert k_shot(task(1, 3), settings()) == []
    assert len(k_shot(task(1, 4), settings())) == 3


def test_k_that_leave_nobody_a_query_are_refused():
    people = [task(1, 3), task(2, 4)]
    with pytest.raises(ParamsError) as caught:
        require_k_shot(people, settings(k=(0, 1, 4)), "valid")
    assert str(caught.value) == (
        "finetune.k: the largest K is 4, and the people of valid have at most 4 dialogues, so "
        "nobody has one left to score; lower K to at most 3"
    )
    require_k_shot(people, settings(k=(0, 1, 3)), "valid")  # one of the two is scored
    require_k_shot(people, settings(k=()), "valid")
    require_k_shot([], settings(k=(0, 50)), "test")


def test_without_k_there_is_no_k_shot():
    assert k_shot(task(1, 4), settings(k=())) == []
    assert len(leave_one_out(task(1, 4), settings(k=()))) == 4
