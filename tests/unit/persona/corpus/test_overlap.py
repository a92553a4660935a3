"""Conversations that are one under several names: they have a part in common."""

from itertools import combinations
from random import Random

import pytest

from pipeline.params import SplitShares
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.corpus.census import Census
from pipeline.persona.corpus.copies import copies, holding
from pipeline.persona.corpus.overlap import COMMON, Overlaps
from pipeline.persona.corpus.split import HAD, placed
from pipeline.persona.task.record import Dialogue, Turn


def joined(**conversations):
    """Return the sets of names that pairs link."""
    overlaps, names = Overlaps(), [*conversations]
    for messages in conversations.values():
        overlaps.add(messages)
    sets = {name: {name} for name in conversations}
    for one, other in overlaps.pairs():
        together = sets[names[one]] | sets[names[other]]
        sets |= dict.fromkeys(together, together)
    return {frozenset(one) for one in sets.values() if len(one) > 1}


def said(count, of="this talk"):
    return [f"message {number} of {of}" for number in range(count)]


@pytest.mark.parametrize("length", [3, 12, 16, 60, 1000])
def test_two_conversations_are_one_though_some_messages_are_missing(length):
    random = Random(length)
    lost = random.sample(range(length), length // 5)
    one = said(length)
    other = [text for number, text in enumerate(one) if number not in lost]
    other += said(length // 5, "the other side alone")
    assert joined(a=one, b=other, c=said(length, "another talk")) == {frozenset("ab")}


@pytest.mark.parametrize("begin", [0, 1, 500, 997])
def test_three_messages_in_a_row_are_enough_whatever_is_around_them(begin):
    whole = said(1000)
    for count, expected in ((3, {frozenset("ab")}), (2, set())):
        part = [*said(40, "before"), *whole[begin : begin + count], *said(40, "after")]
        assert joined(a=whole, b=part) == expected


def test_short_messages_between_them_belong_to_the_talk():
    """A machine says its lines in one order; what people answer is their own."""
    lines = said(5, "a machine's")
    talks = [[text for line in lines for text in (line, answer)] for answer in ("yes", "no", "yes")]
    assert joined(a=talks[0], b=talks[1], c=talks[2]) == {frozenset("ac")}


def test_a_letter_that_is_sent_on_makes_no_two_conversations_one():
    letter = "send this letter to seven friends , or seven years will be dull " * 20
    talks = {name: [*said(20, name), letter, *said(20, f"{name}, later")] for name in "abc"}
    assert joined(**talks) == set()


def test_blanks_change_nothing():
    spaced = [f"  {text} \n".replace(" of ", "\u00a0 of\n") for text in said(3)]
    assert joined(a=said(3), b=spaced) == {frozenset("ab")}


@pytest.mark.parametrize("text", ["ok, see you {}", "хорошо {}", "好的{}"])
def test_short_messages_tell_nothing(text):
    talk = [text.format(number) for number in range(9)]
    assert joined(a=talk, b=talk) == set()


@pytest.mark.parametrize("text", ["ok, see you later {}", "хорошо да {}", "我们明天见{}"])
def test_scripts_differ_in_what_is_long(text):
    talk = [text.format(number) for number in range(9)]
    assert joined(a=talk, b=talk) == {frozenset("ab")}


def test_phrases_that_many_say_tell_nothing():
    several = {f"c{n}": [*said(5), *said(3, f"talk {n}")] for n in range(COMMON)}
    assert joined(**several) == {frozenset(several)}
    several["more"] = [*said(5), *said(3, "talk more")]
    assert joined(**several) == set()


def exports(session, texts, phone):
    """Return what a phone has of a session: each lacks a message, and one may begin later."""
    kept = [text for number, text in enumerate(texts) if number != 5 + phone]
    return kept[-6:] if phone and session % 2 else kept


def views_of(phone_names, sessions=6, length=20):
    """Yield every chat from both phones, from both sides, each with the names of its phone."""
    random = Random(3)
    for chat in range(12):
        for session in range(sessions):
            texts = [
                " ".join(random.choices(["park", "tea", "work", "film", "song"], k=6))
                for _ in range(length)
            ]
            for phone, name in enumerate(phone_names):
                for side in range(2):
                    roles = ("assistant", "user") if side else ("user", "assistant")
                    messages = [
                        {"role": roles[number % 2], "content": text}
                        for number, text in enumerate(exports(session, texts, phone))
                    ]
                    yield (
                        (chat, session),
                        Conversation.model_validate(
                            {
                                "person": f"{name}{chat}/{side}",
                                "conversation": f"{phone}/{chat}/{session}",
                                "messages": messages,
                            }
                        ),
                    )


@pytest.mark.parametrize(
    ("names", "twice"), [(("", "friend "), 0), (("", ""), 12 * 6 * 2)], ids=["other", "same"]
)
def test_both_exports_of_a_chat_are_in_one_split_though_one_has_a_part(names, twice):
    census, where = Census(), []
    for talk, view in views_of(names):
        census.add(view, view)
        where.append(talk)
    assert len(set(census.keys())) == len(set(where))
    placement = placed(census, SplitShares())
    assert placement.left_out.get(HAD, 0) == twice
    splits = {}
    for talk, split in zip(where, placement.split, strict=True):
        splits.setdefault(talk, set()).add(split)
    assert all(len(found - {None}) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} >= {"train", "valid", "test"}


def census_of(*talks):
    """Each talk is a person and what is said, by both sides in turn."""
    census = Census()
    for number, (person, texts) in enumerate(talks):
        messages = [
            {"role": ("user", "assistant")[place % 2], "content": text}
            for place, text in enumerate(texts)
        ]
        view = Conversation.model_validate(
            {"person": person, "conversation": f"c{number}", "messages": messages}
        )
        census.add(view, view)
    return census


def kept(*of_ann):
    """Return which of Ann's talks stay."""
    others = [(f"p{who}", said(4, f"{who}/{talk}")) for who in range(5) for talk in range(2)]
    census = census_of(*(("Ann", texts) for texts in of_ann), *others)
    placement = placed(census, SplitShares())
    stays = [split is not None for split in placement.split]
    assert placement.left_out.get(HAD, 0) == stays.count(False)
    assert all(stays[len(of_ann) :])
    return stays[: len(of_ann)]


def test_of_two_exports_of_one_chat_a_person_has_the_longer_once():
    whole, other = said(20), said(20, "another")
    deleted = [*whole[:9], *whole[10:]]
    assert kept(deleted, other, whole, whole[12:]) == [False, True, True, False]
    assert kept(deleted, [*whole[:3], "edited", *whole[4:9], *whole[10:]]) == [True, False]


def test_what_a_person_has_in_parts_of_several_conversations_is_there_already():
    whole = said(40)
    assert kept(whole[:20], whole[20:], whole[10:30]) == [True, True, False]


@pytest.mark.parametrize(("shared", "stays"), [(10, True), (11, False)])
def test_a_conversation_that_goes_on_for_as_long_stays(shared, stays):
    whole = said(30)
    assert kept(whole, [*whole[:shared], *said(21 - shared, "new")]) == [True, stays]


@pytest.mark.parametrize("text", ["message {} of this talk", "{}"], ids=["long", "short"])
def test_of_records_that_each_hold_all_that_was_said_before_a_reply_the_last_stays(text):
    """Each message is in up to 40 records, as if it were a phrase."""
    whole = [text.format(number) for number in range(80)]
    for first in (1, 2):
        records = [whole[:end] for end in range(first, 81, 2)]
        assert kept(*records) == [False] * 39 + [True]


@pytest.mark.parametrize("history", [3, 4, 8])
def test_of_windows_over_a_conversation_those_that_share_more_than_half_are_left_out(history):
    """Each record holds the last messages before a reply, and the reply."""
    whole = said(60)
    windows = [whole[end - 2 * history : end] for end in range(2 * history, 61, 2)]
    parts = [part for part, stays in zip(windows, kept(*windows), strict=True) if stays]
    assert len(parts) >= 60 // (2 * history)
    for part, other in combinations(parts, 2):
        assert len({*part} & {*other}) <= history


def test_of_many_answers_to_one_conversation_one_stays():
    talks = [[*said(9), f"answer {number}"] for number in range(3 * COMMON)]
    assert kept(*talks, said(5, "another")) == [True] + [False] * (3 * COMMON - 1) + [True]


def test_everyday_words_make_no_copies():
    """Five messages in a row are equal, and more than half."""
    assert kept(*([*"abcde", f"news {day}", "f"] for day in range(3))) == [True] * 3


def test_one_invitation_to_many_friends_makes_no_copies():
    """Three long messages are equal; the short ones around them are each talk's own."""
    own = [[f"{talk}-{number}" for number in range(24)] for talk in range(6)]
    talks = [[*short[:12], *said(3, "the party"), *short[12:]] for short in own]
    assert kept(*talks) == [True] * 6


def test_any_number_of_exports_with_the_same_text_are_one_and_so_is_a_part():
    """All members of a group may have exported it: their messages are no phrases."""
    members = [(f"member {number}", said(20)) for number in range(3 * COMMON)]
    assert len(set(census_of(*members, ("late", said(20)[10:])).keys())) == 1


def dialogue(name, texts):
    turns = [Turn(partner=a, reply=b) for a, b in zip(texts[::2], texts[1::2], strict=True)]
    return Dialogue(dialogue_id=name, persona=[], turns=turns)


def test_many_dialogues_are_compared_with_a_long_one_in_time(monkeypatch):
    """What is made of a long dialogue is made a few times, not once for each of the others."""
    made = []
    whole = Overlaps.stretches
    monkeypatch.setattr(
        Overlaps, "stretches", lambda self, *of: made.append(of) or whole(self, *of)
    )
    long = dialogue("long", said(4000))
    short = [dialogue(f"{n}", said(2 + 2 * (n % 3), f"talk {n}")) for n in range(100)]
    part, newer = dialogue("part", said(4000)[:6]), dialogue("newer", said(4002))
    assert copies([*short, part, newer], of=[long]) == [part, newer]
    assert sum(text == 0 for text, _ in made) <= 6
    made.clear()
    assert holding([*short, part, newer], long) == [newer]
    assert sum(length > 1 for _, length in made) <= 4
