"""For any seed: rule B.2 finds the people, and the engine's nats are the truth."""

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.params import People, Synthetic
from pipeline.persona.synthetic.corpus import write_corpus
from pipeline.persona.synthetic.grammar import Draw, Weighted
from pipeline.persona.synthetic.people import people_of, persona_text
from pipeline.persona.tasks.grouping import group, variant_of
from pipeline.persona.tasks.parser import parse


SEEDS = st.integers(0, 10**6)
SMALL = People(train=60, valid=8, test=16)
LARGE = People(train=300, valid=30, test=30)


def params(seed: int, people: People) -> Synthetic:
    return Synthetic(seed=seed, people=people, dialogues=10, pretrain_lines=100)


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS, people=st.sampled_from([SMALL, LARGE]))
def test_the_persona_rule_recovers_exactly_the_people(seed, people):
    world = people_of(params(seed, people))
    for persons in world.persons.values():
        said = [
            (owner, persona_text(person, Random(f"{seed}/{owner}/{i}"), whole=i == owner % 7))
            for owner, person in enumerate(persons)
            for i in range(7)
        ]
        Random(seed).shuffle(said)
        groups = group([persona for _, persona in said])
        assert len(groups) == len(persons)
        assert all(len({said[i][0] for i in indices}) == 1 for indices in groups)


@pytest.mark.parametrize(("seed", "people"), [(1, SMALL), (2, SMALL), (3, SMALL), (4, LARGE)])
def test_the_corpus_has_as_many_personas_as_people(seed, people):
    corpus = write_corpus(params(seed, people))
    variants = {}
    for split, text in corpus.texts.items():
        personas = [dialogue.persona for dialogue in parse(text, origin=split)]
        groups = group(personas)
        assert len(groups) == getattr(people, split)
        if split != "train":
            assert {len(indices) for indices in groups} == {10}
        variants[split] = {variant_of(persona) for persona in personas}
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert all(len(a & b) < 3 for a in variants[one] for b in variants[other])


@settings(max_examples=5, deadline=None)
@given(seed=SEEDS, people=st.integers(1, 6), dialogues=st.integers(1, 4))
def test_small_corpora_are_whole(seed, people, dialogues):
    sizes = People(train=people, valid=people, test=people)
    made = Synthetic(seed=seed, people=sizes, dialogues=dialogues, pretrain_lines=1)
    corpus = write_corpus(made)
    assert corpus == write_corpus(made)
    for split, text in corpus.texts.items():
        for exchange in (e for d in parse(text, origin=split) for e in d.exchanges):
            assert exchange.candidates is not None
            assert len(set(exchange.candidates)) == 20
        assert all(0 < n < math.inf for nats in corpus.oracle[split] for n in nats)


SYMBOLS = {
    "greeting": Weighted(("hi", "hello {who}", "hey {who} , {who}"), (3.0, 2.0, 1.0)),
    "who": Weighted(("you", "{name}"), (1.0, 3.0)),
}
# Worked out by hand from the weights above, with the slot {name} = "tom".
PROBABILITIES = {
    "hi !": 3 / 6,
    "hello you !": 2 / 6 * 1 / 4,
    "hello tom !": 2 / 6 * 3 / 4,
    "hey you , you !": 1 / 6 * 1 / 16,
    "hey you , tom !": 1 / 6 * 3 / 16,
    "hey tom , you !": 1 / 6 * 3 / 16,
    "hey tom , tom !": 1 / 6 * 9 / 16,
}


def sampled(seed: int) -> tuple[str, float]:
    draw = Draw(Random(seed))
    text = draw.expand("{greeting} !", SYMBOLS, {"name": "tom"})
    return text, draw.nats


def test_the_engines_nats_are_the_texts_probability_and_its_frequency():
    number = 20_000
    drawn = [sampled(seed) for seed in range(number)]
    assert {text for text, _ in drawn} == set(PROBABILITIES)
    for text, nats in set(drawn):
        assert math.exp(-nats) == pytest.approx(PROBABILITIES[text])
    counts = Counter(text for text, _ in drawn)
    for text, probability in PROBABILITIES.items():
        error = math.sqrt(probability * (1 - probability) / number)
        assert abs(counts[text] / number - probability) < 4.5 * error


@given(weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=6), seed=SEEDS)
def test_a_choice_costs_its_negative_log_probability(weights, seed):
    draw = Draw(Random(seed))
    options = Weighted(range(len(weights)), weights)
    costs = 0.0
    for _ in range(5):
        costs -= math.log(weights[draw.choose(options)] / sum(weights))
        assert draw.nats == pytest.approx(costs)


@given(probability=st.floats(0.01, 0.99))
def test_a_flip_lands_as_often_as_its_nats_say(probability):
    heads, nats = 0, set()
    random = Random(7)
    for _ in range(2000):
        draw = Draw(random)
        landed = draw.flip(probability)
        heads += landed
        nats.add((landed, round(draw.nats, 9)))
    expected = {(True, -math.log(probability)), (False, -math.log(1 - probability))}
    assert nats <= {(landed, round(cost, 9)) for landed, cost in expected}
    assert abs(heads / 2000 - probability) < 0.05


@pytest.mark.parametrize("bad", [([], None), (["a"], [0.0]), (["a"], [1.0, 2.0])])
def test_impossible_choices_are_refused(bad):
    with pytest.raises(ValueError, match="positive weight"):
        Weighted(*bad)
