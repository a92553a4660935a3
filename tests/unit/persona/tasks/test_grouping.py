"""Which dialogues belong to one persona: the canonical rule."""

import sys
from itertools import combinations
from random import Random

import pytest

from pipeline.params import People, Synthetic
from pipeline.persona.synthetic.corpus import write_corpus
from pipeline.persona.synthetic.lexicon import BY_NAME
from pipeline.persona.synthetic.people import Person, people_of
from pipeline.persona.tasks.grouping import SHARED, group, normalise_sentence, variant_of
from pipeline.persona.tasks.parser import parse


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("I Swim.", "i swim", id="case-and-stop"),
        pytest.param("i   swim . ", "i swim", id="blanks"),
        pytest.param("i'm a nurse", "i m a nurse", id="blanked-apostrophe"),
        pytest.param("i m a nurse", "i am a nurse", id="am"),
        pytest.param("i ve a dog", "i have a dog", id="have"),
        pytest.param("i'd swim", "i would swim", id="would"),
        pytest.param("it s cold", "it is cold", id="is"),
        pytest.param("i don t swim", "i do not swim", id="do-not"),
        pytest.param("my dog isn't old", "my dog is not old", id="is-not"),
        pytest.param("i can't swim", "i cannot swim", id="cannot"),
        pytest.param("i won t swim", "i will not swim", id="will-not"),
    ],
)
def test_spellings_of_one_sentence(one, other):
    assert normalise_sentence(one) == normalise_sentence(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("i swim", "i do not swim", id="negation"),
        pytest.param("aim high", "ai am high", id="whole-words-only"),
        pytest.param("mr. x", "mr x", id="inner-stop"),
        pytest.param("my car", "your car", id="words"),
    ],
)
def test_different_sentences(one, other):
    assert normalise_sentence(one) != normalise_sentence(other)


def persona(letters: str) -> list[str]:
    return [f"i like {letter}." for letter in letters]


def test_three_shared_sentences_make_one_persona_two_do_not():
    assert group([persona("abcde"), persona("abcxy")]) == [[0, 1]]
    assert group([persona("abcde"), persona("abxyz")]) == [[0], [1]]


def test_a_chain_of_variants_is_one_persona():
    chain = [persona("abcde"), persona("vwxyz"), persona("cdefg"), persona("efghi")]
    assert group(chain) == [[0, 2, 3], [1]]


def test_spelling_and_order_do_not_part_a_persona():
    one = ["i'm a nurse.", "i don t swim.", "i can't sing."]
    other = ["I cannot sing", "i am a nurse .", "i do not swim"]
    assert group([one, other]) == [[0, 1]]


def test_a_sentence_said_twice_counts_once():
    assert group([persona("aaabb"), persona("abbbx")]) == [[0], [1]]


def test_a_short_variant_is_the_same_persona_as_itself():
    assert group([persona("ab"), persona("xy"), persona("ba")]) == [[0, 2], [1]]


def test_groups_stand_in_the_order_of_their_first_dialogue():
    given = [persona(text) for text in ("xyz", "abc", "xyzw", "pqr", "cab")]
    assert group(given) == [[0, 2], [1, 4], [3]]


def test_many_personas_take_little_time():
    """Pairs come from an inverted index: a million comparisons would take minutes."""
    random = Random(0)
    own = [[f"i own {i} {j}" for j in range(5)] for i in range(3000)]
    given = [random.sample(sentences, 4) for sentences in own for _ in range(3)]
    assert len(group(given)) == 3000


def owner(sentences: list[str], persons: list[Person]) -> int:
    """Whose facts the sentences state, by what the grammar can write of each person."""

    def said_by(person: Person) -> set[str]:
        return {
            form.format(v=person.facts[topic])
            for topic in person.stated
            for form in BY_NAME[topic].persona
        }

    (owner,) = [i for i, person in enumerate(persons) if set(sentences) <= said_by(person)]
    return owner


def test_the_rule_recovers_exactly_the_generated_people():
    params = Synthetic(
        seed=3, people=People(train=40, valid=8, test=16), dialogues=10, pretrain_lines=1
    )
    corpus = write_corpus(params)
    for split, persons in people_of(params).persons.items():
        personas = [dialogue.persona for dialogue in parse(corpus.texts[split], origin=split)]
        owners = [owner(sentences, persons) for sentences in personas]
        groups = group(personas)
        assert [{owners[i] for i in members} for members in groups] == [
            {person} for person in dict.fromkeys(owners)
        ]
        assert len(groups) == len(persons)


def by_every_pair(personas: list[list[str]]) -> list[list[int]]:
    """The rule as it is said, every pair compared."""
    variants = [variant_of(persona) for persona in personas]
    label = list(range(len(personas)))
    for i, j in combinations(range(len(personas)), 2):
        if len(variants[i] & variants[j]) >= SHARED or variants[i] == variants[j]:
            label = [label[i] if old == label[j] else old for old in label]
    groups: dict[int, list[int]] = {}
    for index, of in enumerate(label):
        groups.setdefault(of, []).append(index)
    return list(groups.values())


@pytest.mark.parametrize("longest", [5, 30])
@pytest.mark.parametrize("others", [2, 12])  # 12: few variants share three of so many sentences
def test_groups_are_those_of_every_pair(longest, others):
    random = Random(f"groups/{longest}/{others}")
    sentences = [f"i like {number} ." for number in range(others * longest)]
    for _ in range(20):
        personas = [
            random.sample(sentences, random.randint(1, longest))
            for _ in range(random.randint(1, 30))
        ]
        assert group(personas) == by_every_pair(personas)


def two_by_all(count: int) -> list[list[str]]:
    return [["music .", "dogs .", f"i am {n} .", f"my age is {n} ."] for n in range(count)]


def sixteen_by_all(count: int) -> list[list[str]]:
    return [[*"abcdefghijklmnop", f"i am {n} ."] for n in range(count)]


def most_of_twenty_by_many(count: int) -> list[list[str]]:
    """Of each ten people; and two by all."""
    random = Random(count)
    own = [[f"i like {n} {i}" for i in range(20)] for n in range(count // 10)]
    return [[*"ab", *random.sample(own[n % len(own)], 15)] for n in range(count)]


@pytest.mark.parametrize(
    ("personas", "groups"),
    [
        (two_by_all, lambda count: count),
        (sixteen_by_all, lambda _: 1),
        (most_of_twenty_by_many, lambda count: count // 10),
    ],
)
def test_sentences_that_everybody_says_cost_no_square(personas, groups):
    """1,000 and 4,000 dialogues took 3 and 37 s; steps are counted here, not seconds."""

    def steps(count: int) -> int:
        done = 0

        def count_lines(*_):
            nonlocal done
            done += 1
            return count_lines

        given = personas(count)
        normalise_sentence.cache_clear()
        sys.settrace(count_lines)
        try:
            found = group(given)
        finally:
            sys.settrace(None)
        assert len(found) == groups(count)
        return done

    assert steps(800) < 4.5 * steps(200)
