"""Conversations that are one under several names, though their texts differ a little."""

from random import Random

import pytest

from pipeline.params import SplitShares
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.corpus.census import Census
from pipeline.persona.corpus.overlap import COMMON, LEAST, SKETCH, Overlaps
from pipeline.persona.corpus.split import placed


def joined(**conversations):
    """Return the sets of names that pairs link."""
    overlaps = Overlaps()
    for name, messages in conversations.items():
        overlaps.add(name.encode(), messages)
    sets = {name: {name} for name in conversations}
    for one, other in overlaps.pairs():
        together = sets[one.decode()] | sets[other.decode()]
        sets |= dict.fromkeys(together, together)
    return {frozenset(one) for one in sets.values() if len(one) > 1}


def said(count, of="this talk"):
    return [f"message {number} of {of}" for number in range(count)]


@pytest.mark.parametrize("length", [LEAST, 12, SKETCH, 60, 1000])
def test_most_of_the_long_messages_make_two_conversations_one(length):
    random = Random(length)
    lost = random.sample(range(length), length // 5)
    one = said(length)
    other = [text for number, text in enumerate(one) if number not in lost]
    other += said(length // 5, "the other side alone")
    assert joined(a=one, b=other, c=said(length, "another talk")) == {frozenset("ab")}


def test_half_of_them_do_not():
    assert joined(a=said(6), b=[*said(3), *said(3, "another")]) == set()
    assert joined(a=said(6), b=[*said(4), *said(2, "another")]) == {frozenset("ab")}


def test_a_part_is_one_with_the_whole():
    assert joined(a=said(SKETCH), b=said(SKETCH)[5:10]) == {frozenset("ab")}


def test_blanks_and_views_of_one_name_change_nothing():
    overlaps = Overlaps()
    for name, texts in ((b"a", said(3)), (b"b", [" message  0 of this talk\n"]), (b"b", said(3))):
        overlaps.add(name, texts)
    assert list(overlaps.pairs()) == [(b"a", b"b")]


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


def exports(phones, sessions=6, length=14):
    """Every chat from both phones, each with its own names; each side lacks a message."""
    random = Random(3)
    for chat in range(12):
        for session in range(sessions):
            texts = [
                " ".join(random.choices(["park", "tea", "work", "film", "song"], k=6))
                for _ in range(length)
            ]
            for place, phone in enumerate(phones):
                kept = [t for n, t in enumerate(texts) if n != 5 + place]
                yield chat, session, phone, kept


def test_both_exports_of_a_chat_are_in_one_split_though_a_message_is_missing():
    census, where = Census(), []
    for chat, session, phone, texts in exports(("", "friend ")):
        for side in range(2):
            roles = ("assistant", "user") if side else ("user", "assistant")
            messages = [
                {"role": roles[number % 2], "content": text} for number, text in enumerate(texts)
            ]
            view = Conversation.model_validate(
                {
                    "person": f"{phone}{chat}/{side}",
                    "conversation": f"{phone}{chat}/{session}",
                    "messages": messages,
                }
            )
            census.add(view, view)
            where.append((chat, session))
    splits = {}
    for talk, split in zip(where, placed(census, SplitShares()).split, strict=True):
        splits.setdefault(talk, set()).add(split)
    assert all(len(found - {None}) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} >= {"train", "valid", "test"}
