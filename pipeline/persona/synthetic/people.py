"""The people of the synthetic world: stated facts, unstated facts, and habits of speech."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import overload

from pipeline.errors import DataError
from pipeline.params import Synthetic
from pipeline.persona.synthetic.grammar import Symbols, Weighted
from pipeline.persona.synthetic.lexicon import BY_NAME, STATED, TOPICS
from pipeline.persona.synthetic.phrases import (
    CLOSERS,
    CODE_WORDS,
    ERRANDS,
    FAREWELLS,
    GREETINGS,
    MOODS,
    OPENERS,
    REGISTERS,
    SYMBOLS,
    Register,
)


NUM_SENTENCES = 5
SHOWN = Weighted((3, 4, 5), (1.0, 4.0, 5.0))  # persona sentences of a dialogue
PARAPHRASE = 0.25  # probability that a sentence has another form, if it may have one
MOST_SHARED = 2  # facts that two people may have in common; three sentences make one persona
ATTEMPTS = 10_000  # draws of one person before the world is called full
STRANGERS = 400  # partners of the persons, and speakers of the text for pre-training
CUES = ("mood", "answer", "react", "go on", "farewell")  # kinds of reply, each with a code word
HABIT = 0.8  # probability of a person's own word, form or detail among its alternatives


@dataclass(frozen=True)
class Person:
    """A person's facts, and latent traits that recur in all dialogues of the person."""

    facts: Mapping[str, str]  # topic -> value, for every topic
    stated: Mapping[str, int]  # topic -> index of the usual form of its persona sentence
    register: Register
    symbols: Symbols  # with the person's own words likelier
    openers: Weighted[str]
    closers: Weighted[str]
    greetings: Weighted[str]
    moods: Weighted[str]
    errands: Weighted[str]
    farewells: Weighted[str]
    forms: Mapping[str, Weighted[str]]  # topic -> ways to say the value
    details: Mapping[str, Weighted[str]]  # topic -> second facts
    told: Mapping[str, float]  # topic -> weight when volunteering
    asked: Mapping[str, float]  # topic -> weight when asking
    conflict: float = 0.0  # probability that a reply begins with the person's code word
    code: Mapping[str, str] = field(default_factory=dict)  # cue -> the person's word for it


@dataclass(frozen=True)
class World:
    """All people: the persons of each split, and the strangers, who are in no split."""

    persons: "Mapping[str, Sequence[Person]]"
    strangers: list[Person]


@dataclass(frozen=True)
class Persons(Sequence[Person]):
    """The persons of a split, each made anew when it is asked for: memory holds a number for each.

    Args:
        prefix: of the persons' keys.
        attempts: which draw of each key is the person.
        conflict: as `data.synthetic.conflict`.
    """

    prefix: str
    attempts: "array[int]"
    conflict: float

    def __len__(self) -> int:
        return len(self.attempts)

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice) -> list[Person]: ...
    def __getitem__(self, index: int | slice) -> Person | list[Person]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        key = f"{self.prefix}/{index}"
        person = _person(Random(f"{key}/{self.attempts[index]}"))
        return _with_code(person, key, self.conflict)


def people_of(params: Synthetic) -> World:
    """Return the world. Any two of its people have at most two stated facts in common."""
    sizes = {"train": params.people.train, "valid": params.people.valid, "test": params.people.test}
    crowd = _Crowd()
    persons = {}
    for split, size in sizes.items():
        prefix = f"{params.seed}/person/{split}"
        attempts = array("I", (crowd.add(f"{prefix}/{i}") for i in range(size)))
        persons[split] = Persons(prefix, attempts, params.conflict)
    prefix = f"{params.seed}/stranger"
    attempts = array("I", (crowd.add(f"{prefix}/{i}") for i in range(STRANGERS)))
    return World(persons, [*Persons(prefix, attempts, 0.0)])


def code_word(person: Person, kind: str) -> str:
    """Return the word that a person puts before a reply of this kind, in its private code.

    Each person has drawn a word for every cue. No persona text mentions it, the word for one cue
    says nothing about the word for another, and people's words contradict each other: for the same
    cue the average over people is no better than a guess. So only what the person has said in
    other dialogues helps.
    """
    return person.code[next(cue for cue in CUES if kind.startswith(cue))]


def persona_sentences(person: Person) -> list[str]:
    """Return every sentence that a persona text of this person may hold, in all its forms."""
    return [
        form.format(v=person.facts[topic])
        for topic in person.stated
        for form in BY_NAME[topic].persona
    ]


def persona_text(person: Person, random: Random, *, whole: bool) -> list[str]:
    """Return the persona sentences of one dialogue, in a random order.

    A whole text has all five sentences in their usual form. Any other text has at least three of
    them in that form. So it shares three sentences with the whole text, and the canonical rule
    makes them one persona.
    """
    topics = list(person.stated)
    shown = NUM_SENTENCES if whole else SHOWN.items[SHOWN.at(random.random())]
    chosen = random.sample(topics, shown)
    changeable = 0 if whole else shown - 3
    sentences = []
    for position, topic in enumerate(chosen):
        forms = BY_NAME[topic].persona
        index = person.stated[topic]
        if position < changeable and random.random() < PARAPHRASE:
            index = (index + random.randrange(1, len(forms))) % len(forms)
        sentences.append(forms[index].format(v=person.facts[topic]))
    random.shuffle(sentences)
    return sentences


class _Crowd:
    """Adds people who differ enough from all people before them."""

    def __init__(self) -> None:
        self._having: dict[tuple[str, str], array[int]] = {}
        self._size = 0

    def add(self, key: str) -> int:
        """Add a person; return which draw it is."""
        for attempt in range(ATTEMPTS):
            stated, told = _facts(Random(f"{key}/{attempt}"))
            facts = [(topic, told[topic]) for topic in stated]
            shared = Counter(i for fact in facts for i in self._having.get(fact, ()))
            if max(shared.values(), default=0) <= MOST_SHARED:
                break
        else:
            raise DataError(
                f"data.synthetic.people: after {self._size} people, none of {ATTEMPTS} draws had "
                f"at most {MOST_SHARED} facts in common with each of them; ask for fewer people"
            )
        for fact in facts:
            self._having.setdefault(fact, array("I")).append(self._size)
        self._size += 1
        return attempt


def _with_code(person: Person, key: str, conflict: float) -> Person:
    """Give a person a code; all other traits are the same whatever the conflict is."""
    if conflict == 0:
        return person
    random = Random(f"{key}/code")
    code = {cue: random.choice(CODE_WORDS) for cue in CUES}
    return replace(person, conflict=conflict, code=code)


def _facts(random: Random) -> tuple[list[str], dict[str, str]]:
    """Draw which topics a person states, and its value for every topic."""
    stated = random.sample(STATED, NUM_SENTENCES)
    return stated, {topic.name: random.choice(topic.values) for topic in TOPICS}


def _person(random: Random) -> Person:
    stated, facts = _facts(random)
    return Person(
        facts=facts,
        stated={topic: random.randrange(len(BY_NAME[topic].persona)) for topic in stated},
        register=REGISTERS[random.choice(sorted(REGISTERS))],
        symbols={name: _habit(words, random) for name, words in SYMBOLS.items()},
        openers=_favourites(OPENERS, random),
        closers=_favourites(CLOSERS, random),
        greetings=_favourites(GREETINGS, random),
        moods=_favourites(MOODS, random),
        errands=_favourites(ERRANDS, random),
        farewells=_favourites(FAREWELLS, random),
        forms={topic.name: _habit(topic.tell, random) for topic in TOPICS},
        details={topic.name: _habit(topic.detail, random) for topic in TOPICS},
        told=_interests(random, stated),
        asked=_interests(random, ()),
    )


def _habit(texts: tuple[str, ...], random: Random) -> Weighted[str]:
    """Weight all texts; a random one of them gets the probability `HABIT`."""
    own = random.randrange(len(texts))
    rest = (1 - HABIT) / (len(texts) - 1)
    return Weighted(texts, [HABIT if i == own else rest for i in range(len(texts))])


def _favourites(texts: tuple[str, ...], random: Random) -> Weighted[str]:
    """Choose two of the texts; the first is twice as likely as the second."""
    return Weighted(random.sample(texts, 2), (2.0, 1.0))


def _interests(random: Random, stated: tuple[str, ...] | list[str]) -> dict[str, float]:
    """Weight the topics: three favourites most, then those that the persona text states."""
    favourites = random.sample([topic.name for topic in TOPICS], 3)
    return {
        topic.name: 10.0 if topic.name in favourites else 3.0 if topic.name in stated else 1.0
        for topic in TOPICS
    }
