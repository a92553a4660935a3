"""The synthetic corpus in Persona-chat's text format, its oracle, and the text for pre-training."""

from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from pipeline.params import Synthetic
from pipeline.persona.synthetic.dialogue import converse
from pipeline.persona.synthetic.people import (
    Person,
    World,
    people_of,
    persona_sentences,
    persona_text,
)
from pipeline.persona.synthetic.utterance import UtterancePair
from pipeline.persona.task.text import normalise


LEAST_DIALOGUES, MOST_DIALOGUES = 6, 10  # of a training person
ONCE = 20  # one in 20 training persons has a single dialogue
NUM_DISTRACTORS = 19
FEW = 5  # a split with fewer persons takes distractors from strangers, too

T = TypeVar("T")


@dataclass(frozen=True)
class Corpus:
    """The text of each split; the oracle's nats by split, dialogue (in file order) and reply.

    A reply's nats are the negative log-probability of its derivation under the grammar, given the
    person and the history, without the reply's end. They are an upper bound of that of its text: a
    text may have several derivations, and a reply that occurs in another dialogue is drawn again.
    """

    texts: dict[str, str]
    oracle: dict[str, list[list[float]]]


@dataclass(frozen=True)
class _Dialogue:
    owner: int  # index of the person in its split
    persona: list[str]
    exchanges: list[UtterancePair]


def write_corpus(params: Synthetic) -> Corpus:
    """Return the corpus of these parameters. The same parameters give the same bytes."""
    world = people_of(params)
    splits = {split: _dialogues(params, world, split) for split in world.persons}
    texts = {split: _text(params, world, split, splits[split]) for split in splits}
    oracle = {
        split: [[reply.nats for _, reply in dialogue.exchanges] for dialogue in dialogues]
        for split, dialogues in splits.items()
    }
    return Corpus(texts, oracle)


def pretrain_text(params: Synthetic) -> str:
    """Return `pretrain_lines` utterances of strangers, with a blank line between two dialogues.

    No utterance is a sentence that may stand in the persona text of a valid or test person.
    """
    world = people_of(params)
    never = {
        normalise(sentence)
        for split in ("valid", "test")
        for person in world.persons[split]
        for sentence in persona_sentences(person)
    }
    left = params.pretrain_lines
    dialogues = []
    number = 0
    while left:
        exchanges = _strangers_talk(world, Random(f"{params.seed}/pretrain/{number}"), never)
        lines = [part.text for exchange in exchanges for part in exchange][:left]
        dialogues.append("".join(f"{line}\n" for line in lines))
        left -= len(lines)
        number += 1
    return "\n".join(dialogues)


def _strangers_talk(
    world: World, random: Random, never: Set[str] = frozenset()
) -> list[UtterancePair]:
    one, other = random.sample(world.strangers, 2)
    return converse(one, other, random=random, said=frozenset(), never=never)


def _dialogues(params: Synthetic, world: World, split: str) -> list[_Dialogue]:
    """Return a split's dialogues in file order. The order mixes the persons."""
    persons = world.persons[split]
    random = Random(f"{params.seed}/order/{split}")
    once = set(random.sample(range(len(persons)), len(persons) // ONCE))
    dialogues: list[_Dialogue] = []
    for owner, person in enumerate(persons):
        own = Random(f"{params.seed}/dialogues/{split}/{owner}")
        number = params.dialogues
        if split == "train":
            number = 1 if owner in once else own.randint(LEAST_DIALOGUES, MOST_DIALOGUES)
        dialogues += _dialogues_of(person, owner, number, strangers=world.strangers, random=own)
    random.shuffle(dialogues)
    return dialogues


def _dialogues_of(
    person: Person, owner: int, number: int, *, strangers: list[Person], random: Random
) -> Iterator[_Dialogue]:
    whole = random.randrange(number)
    said: set[str] = set()
    for i in range(number):
        partner = random.choice(strangers)
        exchanges = converse(partner, person, random=random, said=said, never=frozenset())
        said |= {normalise(reply.text) for _, reply in exchanges}
        persona = persona_text(person, random, whole=i == whole)
        yield _Dialogue(owner, persona, exchanges)


def _text(params: Synthetic, world: World, split: str, dialogues: list[_Dialogue]) -> str:
    pool = _Distractors(params, world, split, dialogues)
    lines = []
    for dialogue in dialogues:
        texts = [f"your persona: {sentence}" for sentence in dialogue.persona]
        for partner, reply in dialogue.exchanges:
            candidates = "|".join([*pool.draw(dialogue.owner, reply.kind), reply.text])
            texts.append(f"{partner.text}\t{reply.text}\t\t{candidates}")
        lines += [f"{number} {text}\n" for number, text in enumerate(texts, start=1)]
    return "".join(lines)


class _Distractors:
    """Draws distractors for a split's replies, first from replies of the same kind."""

    def __init__(
        self, params: Synthetic, world: World, split: str, dialogues: Sequence[_Dialogue]
    ) -> None:
        self._random = Random(f"{params.seed}/distractors/{split}")
        self._kinds: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._own: dict[int, set[str]] = defaultdict(set)
        for dialogue in dialogues:
            for _, reply in dialogue.exchanges:
                key = normalise(reply.text)
                self._kinds[reply.kind].append((key, reply.text))
                self._own[dialogue.owner].add(key)
        if len(world.persons[split]) < FEW:
            for _ in range(NUM_DISTRACTORS):
                for _, reply in _strangers_talk(world, self._random):
                    self._kinds[reply.kind].append((normalise(reply.text), reply.text))
        self._all = [entry for entries in self._kinds.values() for entry in entries]

    def draw(self, owner: int, kind: str) -> list[str]:
        """Return 19 replies, distinct after normalisation; the owner says none of them."""
        taken: dict[str, str] = {}
        for entries in (self._kinds[kind], self._all):
            for key, text in _shuffled(entries, self._random):
                if len(taken) == NUM_DISTRACTORS:
                    return list(taken.values())
                if key not in self._own[owner]:
                    taken.setdefault(key, text)
        return list(taken.values())


def _shuffled(items: Sequence[T], random: Random) -> Iterator[T]:
    """Yield the items in random order, at a cost only for those that are taken."""
    moved: dict[int, int] = {}  # place -> index of the item that was moved there
    for last in range(len(items) - 1, -1, -1):
        place = random.randrange(last + 1)
        yield items[moved.get(place, place)]
        moved[place] = moved.get(last, last)
