"""The dial for conflict: dialects that stand in no persona text and contradict each other."""

import re
from functools import cache

import pytest

from pipeline.persona.synthetic.corpus import pretrain_text, write_corpus
from pipeline.persona.synthetic.lexicon import BY_NAME
from pipeline.persona.synthetic.people import DIALECTS, in_dialect, people_of, persona_sentences
from pipeline.persona.tasks.parser import parse
from tests.support.synthetic import EMBEDDED, embedded


SPLITS = ("train", "valid", "test")


def with_conflict(conflict):
    return EMBEDDED.model_copy(update={"conflict": conflict})


@cache
def corpus(conflict):
    return write_corpus(with_conflict(conflict))


def statements(conflict, split="train"):
    """Each fact that a person has told in an answer: (person, topic, value)."""
    found = []
    people = people_of(with_conflict(conflict)).persons[split]
    own = [{*persona_sentences(person)} for person in people]
    for dialogue in parse(corpus(conflict).texts[split], origin=split):
        owner = people[max(range(len(own)), key=lambda i: len(own[i] & {*dialogue.persona}))]
        for topic in BY_NAME.values():
            patterns = [re.escape(t).replace(r"\{v\}", "(.+?)") for t in topic.tell if "{v}" in t]
            for exchange in dialogue.exchanges:
                for pattern in patterns:
                    match = re.search(rf"(?:^|[.!,?] ){pattern} [.!,]", exchange.reply)
                    if match and match[1] in topic.values:
                        found.append((owner, topic.name, match[1]))
    return found


def test_without_conflict_nothing_changes():
    """The same bytes as ever: no draw is made for a dialect."""
    assert corpus(0.0).texts == embedded()[0].texts
    assert all(person.dialect == 0 for person in people_of(EMBEDDED).persons["train"])


def test_people_are_the_same_people_at_every_setting():
    for split in SPLITS:
        plain, coded = (people_of(with_conflict(c)).persons[split] for c in (0.0, 0.7))
        for one, other in zip(plain, coded, strict=True):
            assert (one.facts, one.stated, one.told) == (other.facts, other.stated, other.told)
    assert {p.dialect for p in people_of(with_conflict(0.7)).persons["train"]} == {0, 1, 2, 3}


@pytest.mark.parametrize("conflict", [0.3, 1.0])
def test_the_text_for_pretraining_has_no_dialect(conflict):
    assert pretrain_text(with_conflict(conflict)) == embedded()[1]


@pytest.mark.parametrize("conflict", [0.0, 0.5, 1.0])
def test_the_share_of_facts_told_in_dialect(conflict):
    told = [entry for entry in statements(conflict) if entry[0].dialect or conflict == 0]
    assert len(told) > 300
    share = sum(value == in_dialect(p, t) != p.facts[t] for p, t, value in told) / len(told)
    assert share == pytest.approx(conflict, abs=0.06)
    assert all(value in (in_dialect(p, t), p.facts[t]) for p, t, value in told)


def test_one_statement_tells_the_dialect():
    """The shift is the same for all topics, and differs between dialects."""
    people = people_of(with_conflict(1.0)).persons["train"]
    for topic in BY_NAME.values():
        size = len(topic.values)
        assert size >= DIALECTS
        shifts = {
            (
                p.dialect,
                (
                    topic.values.index(in_dialect(p, topic.name))
                    - topic.values.index(p.facts[topic.name])
                )
                % size,
            )
            for p in people
        }
        assert shifts == {(d, d * (size // DIALECTS)) for d in range(DIALECTS)}


def test_persona_texts_state_what_is_so():
    people = people_of(with_conflict(1.0)).persons["test"]
    facts = {sentence for person in people for sentence in persona_sentences(person)}
    assert {s for d in parse(corpus(1.0).texts["test"], origin="test") for s in d.persona} <= facts


def test_the_oracle_knows_the_dialect():
    """At full conflict what a person says is as certain as without; between it is less so."""
    nats = {
        c: sum(map(sum, corpus(c).oracle["test"])) / sum(map(len, corpus(c).oracle["test"]))
        for c in (0.0, 0.5, 1.0)
    }
    assert nats[1.0] == pytest.approx(nats[0.0], rel=0.02)
    assert nats[0.5] > nats[0.0] + 0.2
