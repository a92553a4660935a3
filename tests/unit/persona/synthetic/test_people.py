"""The synthetic people: their facts, their sentences, what their replies tell of them."""

import math
from collections import Counter
from itertools import pairwise
from statistics import mean

import pytest

from pipeline.errors import DataError
from pipeline.persona.synthetic import people
from pipeline.persona.synthetic.lexicon import BY_NAME, STATED, TOPICS, Topic
from pipeline.persona.synthetic.people import people_of
from pipeline.persona.synthetic.phrases import SYMBOLS
from pipeline.persona.tasks.grouping import normalise_sentence
from pipeline.persona.tasks.parser import ParsedDialogue
from tests.support.synthetic import EMBEDDED, dialogues, personas, replies


def test_a_person_has_five_facts_and_their_sentences_are_paraphrased():
    seen = []
    for person in personas("test"):
        sentences = {normalise_sentence(s) for d in person for s in d.persona}
        assert 5 <= len(sentences) <= 15
        seen.append(len(sentences))
    assert mean(seen) > 6
    assert all(len(p.stated) == 5 for p in people_of(EMBEDDED).persons["test"])


def test_a_persona_sentence_tells_its_topic_and_value():
    meaning: dict[str, tuple[str, str]] = {}
    for topic in (BY_NAME[name] for name in STATED):
        for value in topic.values:
            for form in topic.persona:
                sentence = normalise_sentence(form.format(v=value))
                assert meaning.setdefault(sentence, (topic.name, value)) == (topic.name, value)


def test_a_world_that_is_full_says_so(monkeypatch):
    monkeypatch.setattr(people, "MOST_SHARED", -1)
    monkeypatch.setattr(people, "ATTEMPTS", 3)
    with pytest.raises(DataError, match="after 0 people"):
        people_of(EMBEDDED)


def bigrams(text: str) -> list[tuple[str, str]]:
    words = ["<s>", *text.split(), "</s>"]
    return list(pairwise(words))


def cross_entropy(query: list[str], support: list[str], general: Counter[str]) -> float:
    """Nats per word of a unigram model of everybody, mixed with a bigram model of `support`."""
    own = Counter(pair for text in support for pair in bigrams(text))
    before = Counter(pair[0] for text in support for pair in bigrams(text))
    total = sum(general.values())
    nats = []
    for one, word in (pair for text in query for pair in bigrams(text)):
        everybody = (general[word] + 1) / (total + 1000)
        nats.append(-math.log((own[one, word] + 5 * everybody) / (before[one] + 5)))
    return mean(nats)


@pytest.mark.parametrize("shots", [3, 8])
def test_a_persons_dialogues_tell_more_of_them_than_a_strangers(shots):
    general = Counter(b for d in dialogues("train") for r in replies(d) for _, b in bigrams(r))
    people = personas("test")
    gaps = []
    for i, person in enumerate(people):
        query = replies(person[-1])
        own = [reply for dialogue in person[:shots] for reply in replies(dialogue)]
        other = [r for d in people[(i + 1) % len(people)][:shots] for r in replies(d)]
        gaps.append(cross_entropy(query, other, general) - cross_entropy(query, own, general))
    assert mean(gaps) > 0.15
    assert min(gaps) > 0


def test_people_keep_to_their_own_words():
    shares = []
    for person in personas("test"):
        said = [w for d in person for r in replies(d) for w in r.split() if w in SYMBOLS["great"]]
        shares.append(Counter(said).most_common(1)[0][1] / len(said))
    assert mean(shares) > 0.6


def answers(person: list[ParsedDialogue], topic: Topic) -> list[str]:
    """What the person replied to questions about the topic."""
    return [
        exchange.reply
        for dialogue in person
        for exchange in dialogue.exchanges
        if any(exchange.partner.endswith(question) for question in topic.ask)
    ]


def test_a_persons_answers_agree_over_their_dialogues():
    """Also on topics that no persona text states: that is what there is to adapt to."""
    several = Counter[str]()
    for person in personas("test"):
        for topic in TOPICS:
            given = answers(person, topic)
            same = {v for v in topic.values if all(f" {v} " in f" {text} " for text in given)}
            assert same, (topic.name, given)
            several["latent" if not topic.persona else "stated"] += len(given) > 1
    assert min(several.values()) > 20


def test_answers_agree_with_the_persona_text():
    agreed = 0
    for person in personas("test"):
        sentences = {sentence for dialogue in person for sentence in dialogue.persona}
        for topic in (BY_NAME[name] for name in STATED):
            told = {
                v for v in topic.values for form in topic.persona if form.format(v=v) in sentences
            }
            assert len(told) <= 1
            for value in told:
                assert all(f" {value} " in f" {text} " for text in answers(person, topic))
                agreed += len(answers(person, topic))
    assert agreed > 50
