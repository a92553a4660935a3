"""The dial for conflict: private codes that stand in no persona text and contradict each other."""

from collections import Counter
from functools import cache
from math import log

import pytest

from pipeline.persona.synthetic.corpus import pretrain_text, write_corpus
from pipeline.persona.synthetic.people import CUES, code_word, people_of, persona_sentences
from pipeline.persona.synthetic.phrases import CODE_WORDS
from pipeline.persona.tasks.parser import parse
from tests.support.synthetic import EMBEDDED, embedded


SPLITS = ("train", "valid", "test")


def with_conflict(conflict):
    return EMBEDDED.model_copy(update={"conflict": conflict})


@cache
def corpus(conflict):
    return write_corpus(with_conflict(conflict))


def first_words(conflict, split="train"):
    """Each reply's person, whether it is the dialogue's first, its last, and its first word."""
    found = []
    people = people_of(with_conflict(conflict)).persons[split]
    own = [{*persona_sentences(person)} for person in people]
    for dialogue in parse(corpus(conflict).texts[split], origin=split):
        owner = people[max(range(len(own)), key=lambda i: len(own[i] & {*dialogue.persona}))]
        replies = [exchange.reply.split()[0] for exchange in dialogue.exchanges]
        last = len(replies) - 1
        found += [(owner, number == 0, number == last, word) for number, word in enumerate(replies)]
    return found


def test_without_conflict_nothing_changes():
    """The same bytes as ever: no draw is made for a code."""
    assert corpus(0.0).texts == embedded()[0].texts
    assert all(not person.code for person in people_of(EMBEDDED).persons["train"])


def test_people_are_the_same_people_at_every_setting():
    for split in SPLITS:
        plain, coded = (people_of(with_conflict(c)).persons[split] for c in (0.0, 0.7))
        for one, other in zip(plain, coded, strict=True):
            assert (one.facts, one.stated, one.told) == (other.facts, other.stated, other.told)
    half, whole = (people_of(with_conflict(c)).persons["train"] for c in (0.5, 1.0))
    assert [person.code for person in half] == [person.code for person in whole]


@pytest.mark.parametrize("conflict", [0.3, 1.0])
def test_the_text_for_pretraining_has_no_code(conflict):
    assert pretrain_text(with_conflict(conflict)) == embedded()[1]


@pytest.mark.parametrize("conflict", [0.0, 0.5, 1.0])
def test_the_share_of_replies_in_code(conflict):
    words = first_words(conflict)
    share = sum(word in CODE_WORDS for _, _, _, word in words) / len(words)
    assert len(words) > 3000
    assert share == pytest.approx(conflict, abs=0.03)


@pytest.mark.parametrize(("place", "cue"), [(1, "mood"), (2, "farewell")])
def test_a_person_has_one_word_for_a_cue(place, cue):
    """The first reply of every dialogue says how one is, the last one takes leave."""
    own = [entry for entry in first_words(1.0) if entry[place]]
    assert len(own) > 400
    assert all(person.code[cue] == code_word(person, cue) == word for person, _, _, word in own)


def test_people_contradict_each_other():
    """For the same cue the average over people is nearly as good as no knowledge."""
    for cue in CUES:
        counts = Counter(
            person.code[cue] for person in people_of(with_conflict(1.0)).persons["train"]
        )
        size = sum(counts.values())
        nats = -sum(n / size * log(n / size) for n in counts.values())
        assert nats > 0.85 * log(len(CODE_WORDS))


def test_no_persona_text_mentions_the_code():
    """Persona texts hold the sentences that they could hold without it, and no other."""
    sentences = {
        sentence
        for person in people_of(EMBEDDED).persons["test"]
        for sentence in persona_sentences(person)
    }
    shown = {s for d in parse(corpus(1.0).texts["test"], origin="test") for s in d.persona}
    assert shown <= sentences


def test_the_oracle_knows_the_code():
    """At full conflict what a person says is as certain as without; between it is less so."""
    nats = {
        c: sum(map(sum, corpus(c).oracle["test"])) / sum(map(len, corpus(c).oracle["test"]))
        for c in (0.0, 0.5, 1.0)
    }
    assert nats[1.0] == pytest.approx(nats[0.0], rel=0.02)
    assert nats[0.5] == pytest.approx(nats[0.0] + log(2), abs=0.15)
