"""Who is in which split: drawn by seed and name, never in two, with no conversation in two."""

from collections import Counter

import pytest

from pipeline.errors import DataError
from pipeline.params import SplitShares
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.corpus.census import Census
from pipeline.persona.corpus.split import ELSEWHERE, HAD, placed


def conversation(person, *texts, role="assistant", **values):
    other = "user" if role == "assistant" else "assistant"
    said = [
        {"role": role if number % 2 == 0 else other, "content": text}
        for number, text in enumerate(texts or (f"{person} {values}",))
    ]
    return Conversation.model_validate({"person": person, "messages": said} | values)


def census_of(conversations):
    census = Census()
    for one in conversations:
        census.add(one, one)
    return census


def people(number, each=3, **values):
    return [
        conversation(f"p{who}", f"p{who} says {n}", **values)
        for who in range(number)
        for n in range(each)
    ]


def splits(conversations, **shares):
    """Return each person's splits."""
    census = census_of(conversations)
    placement = placed(census, SplitShares(**shares))
    found = {}
    for who, split in zip(placement.person, placement.split, strict=True):
        found.setdefault(placement.people[who], set()).add(split)
    return found


def test_shares_are_of_people():
    found = splits(people(40), valid=0.1, test=0.2)
    assert all(len(one) == 1 for one in found.values())
    sizes = Counter(split for (split,) in found.values())
    assert sizes == {"train": 28, "valid": 4, "test": 8}


def test_the_seed_draws_and_the_order_does_not_matter():
    given = people(40)
    assert splits(given) == splits(given[::-1])
    assert splits(given) != splits(given, seed=1)


def test_a_person_who_is_added_moves_few_others():
    before, after = splits(people(40)), splits(people(41))
    assert sum(before[name] != after[name] for name in before) <= 2


def test_at_least_two_are_held_out():
    sizes = Counter(split for (split,) in splits(people(5), valid=0.01, test=0.01).values())
    assert sizes == {"train": 1, "valid": 2, "test": 2}


def test_a_person_with_one_conversation_is_for_training():
    given = people(6) + [conversation(f"once{n}", f"a {n}") for n in range(200)]
    found = splits(given, valid=0.3, test=0.3)
    assert all(found[f"once{n}"] == {"train"} for n in range(200))


@pytest.mark.parametrize("given", [people(4), people(40, each=1), []])
def test_too_few_people_are_refused(given):
    given = [*given, conversation("lonely", "x")]
    with pytest.raises(DataError, match=r"too few people for \w+: \d+ of \d+ have two") as caught:
        splits(given)
    assert "\n" not in str(caught.value)


def test_too_few_people_says_what_was_left_out():
    records = [conversation(f"p{n}", *"abcdefgh"[:end]) for n in range(9) for end in (2, 4, 6, 8)]
    with pytest.raises(
        DataError, match=r"\(27 conversations of which a person has most already are left out"
    ):
        splits(records)


def both_sides(one, other, number, **values):
    said = [f"{one} {other} {number} {turn}" for turn in range(6)]
    return [
        conversation(one, *said, **values),
        conversation(other, *said, role="user", **values),
    ]


@pytest.mark.parametrize("named", [True, False])
def test_a_conversation_of_two_people_is_in_one_split(named):
    given = []
    for one in range(0, 24, 2):
        for number in range(3):
            name = {"conversation": f"{one}/{number}"} if named else {}
            given += both_sides(f"p{one}", f"p{one + 1}", number, **name)
    census = census_of(given)
    placement = placed(census, SplitShares())
    where = {}
    for key, split in zip(census.keys(), placement.split, strict=True):
        where.setdefault(key, set()).add(split)
    assert len(where) == 36  # both views have one key
    assert all(len(found - {None}) == 1 for found in where.values())
    assert placement.left_out[ELSEWHERE] == placement.split.count(None) > 0


def test_views_that_stop_at_different_replies_belong_together():
    said = [f"text {turn}" for turn in range(6)]
    given = [conversation("a", *said[:5]), conversation("b", *said, role="user")]
    one, other = census_of(given).keys()
    assert one == other


def test_people_with_the_same_greeting_are_not_one_conversation():
    given = [conversation(f"p{n}", "hi", "hello", "how are you", "fine", f"{n}") for n in range(4)]
    assert len(set(census_of(given).keys())) == 4


@pytest.mark.parametrize("others", [0, 8])
def test_who_takes_part_in_most_conversations_stays_in_train(others):
    """All 36 of 36, or 36 of 60."""
    pairs = [("me", f"p{n}") for n in range(12)]
    pairs += [(f"a{n}", f"b{n}") for n in range(others)]
    given = [view for pair in pairs for talk in range(3) for view in both_sides(*pair, talk)]
    for seed in range(20):
        found = splits(given, seed=seed)
        assert found["me"] - {None} == {"train"}
        assert sum("test" in one for one in found.values()) >= 2


def test_the_same_conversation_twice_is_left_out():
    given = people(6)
    census = census_of([*given, given[0]])
    placement = placed(census, SplitShares())
    assert placement.left_out == {HAD: 1}
    assert placement.split[-1] is None


def test_the_corpuss_own_splits_are_kept():
    given = [*people(3, split="train")]
    given += [conversation(f"v{n}", f"{n} {k}", split="valid") for n in range(2) for k in range(2)]
    given += [conversation(f"t{n}", f"{n} {k} !", split="test") for n in range(2) for k in range(2)]
    found = splits(given)
    assert {name[0]: split for name, split in found.items()} == {
        "p": {"train"},
        "v": {"valid"},
        "t": {"test"},
    }


def test_a_split_that_is_missing_is_drawn_from_train():
    given = people(10, split="train")
    given += [conversation(f"v{n}", f"{n} {k}", split="valid") for n in range(2) for k in range(2)]
    found = splits(given)
    assert found["v0"] == found["v1"] == {"valid"}
    assert sum(one == {"test"} for one in found.values()) == 2


def test_a_person_in_two_splits_is_refused():
    given = [
        *people(5),
        conversation("x", "a", split="train"),
        conversation("x", "b", split="test"),
    ]
    with pytest.raises(DataError, match="x: in train and in test; a person is in one split"):
        splits(given)


def test_a_conversation_in_two_of_the_corpuss_splits_is_counted():
    given = []
    for n in range(2):
        one, other = both_sides(f"a{n}", f"b{n}", 0)
        given.append(one.model_copy(update={"split": "train"}))
        given.append(other.model_copy(update={"split": "test"}))
    given += [conversation(f"v{n}", f"{n} {k}", split="valid") for n in range(2) for k in range(2)]
    placement = placed(census_of(given), SplitShares())
    assert placement.shared == {("train", "test"): 2}
    assert None not in placement.split


def test_people_without_names_are_known_by_persona_text():
    persona = [f"i am number {n} ." for n in range(4)]
    given = [
        conversation(None, "one", persona=persona[:3], split="train"),
        conversation(None, "two", persona=persona, split="train"),
        conversation(None, "three", persona=persona, split="test"),
        conversation(None, "four", persona=["i ski ."], split="train"),
    ]
    names, numbers = census_of(given).people()
    assert [names[number] for number in numbers] == [
        "train-persona-0000",
        "train-persona-0000",
        "test-persona-0000",
        "train-persona-0001",
    ]


@pytest.mark.parametrize(("length", "apart"), [(6, False), (5, True)])
def test_a_conversation_that_both_sides_exported_is_in_one_split(length, apart):
    """Each phone has its own names of people and files; a few common words prove nothing."""
    given = [
        conversation(
            f"{phone}u{who}",
            *(f"{number} of {who}, {day}" for number in range(length)),
            conversation=f"{phone}:{who}:{day}",
        )
        for phone in ("", "friend ")
        for who in range(20)
        for day in range(3)
    ]
    census = census_of(given)
    placement = placed(census, SplitShares())
    found = {}
    for text, split in zip(census.texts, placement.split, strict=True):
        found.setdefault(text, set()).add(split)
    assert any(len(one - {None}) > 1 for one in found.values()) == apart
