"""The synthetic corpus in Persona-chat's text format, its oracle, and the text for pre-training."""

import json
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
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
from pipeline.persona.synthetic.spool import Spool
from pipeline.persona.synthetic.utterance import UtterancePair
from pipeline.persona.task.text import normalise


LEAST_DIALOGUES, MOST_DIALOGUES = 6, 10  # of a training person
ONCE = 20  # one in 20 training persons has a single dialogue
NUM_DISTRACTORS = 19
FEW = 5  # a split with fewer persons takes distractors from strangers, too

T = TypeVar("T")
Written = tuple[str, list[float]]  # a dialogue's text in the file, the nats of its replies


@dataclass(frozen=True)
class Corpus:
    """The text of each split; the oracle's nats by split, dialogue (in file order) and reply.

    A reply's nats are the negative log-probability of its derivation under the grammar, given the
    person and the history, without the reply's end. They are an upper bound of that of its text: a
    text may have several derivations, and a reply that occurs in another dialogue is drawn again.
    """

    texts: dict[str, str]
    oracle: dict[str, list[list[float]]]


def write_corpus(params: Synthetic) -> Corpus:
    """Return the corpus of these parameters. The same parameters give the same bytes."""
    texts, oracle = {}, {}
    for split, dialogues in corpus_of(params).items():
        whole = [*dialogues]
        texts[split] = "".join(text for text, _ in whole)
        oracle[split] = [nats for _, nats in whole]
    return Corpus(texts, oracle)


def corpus_of(params: Synthetic, scratch: Path | None = None) -> dict[str, Iterator[Written]]:
    """Return the dialogues of each split in file order, which are made while one goes through them.

    Each is its text in the file, and the oracle's nats of its replies. In memory are some numbers
    for each reply.

    Args:
        params: `data.synthetic`.
        scratch: a folder for what is kept on disk meanwhile; null: the system's.
    """
    world = people_of(params)
    return {split: _written(params, world, split, scratch) for split in world.persons}


def oracle_json(nats: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the parts of `oracle.json`: what `artifacts.json_text` returns of all of it.

    Args:
        nats: by split the lists of each dialogue, as JSON.
    """
    yield "{"
    for place, split in enumerate(sorted(nats)):
        yield f'{"," if place else ""}\n  "{split}": ['
        for number, line in enumerate(nats[split]):
            yield f"{',' if number else ''}\n    {line}"
        yield "\n  ]"
    yield "\n}\n"


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


class _Dialogues:
    """A split's dialogues on disk, and the order in which they stand in the file.

    The order mixes the persons. Replies are numbered as they are made, person by person.
    """

    def __init__(
        self, params: Synthetic, world: World, split: str, scratch: Path | None = None
    ) -> None:
        self._dialogues, self._replies = Spool(scratch), Spool(scratch)
        self._first = array("I")  # reply of each dialogue
        self._firsts = array("I", [0])  # of each owner, and the end
        self._owners = array("I")
        random = Random(f"{params.seed}/order/{split}")
        persons = world.persons[split]
        once = set(random.sample(range(len(persons)), len(persons) // ONCE))
        for owner, person in enumerate(persons):
            own = Random(f"{params.seed}/dialogues/{split}/{owner}")
            number = params.dialogues
            if split == "train":
                number = 1 if owner in once else own.randint(LEAST_DIALOGUES, MOST_DIALOGUES)
            for persona, pairs in _dialogues_of(person, number, world.strangers, own):
                self._add(owner, persona, pairs)
            self._firsts.append(len(self._replies))
        self._order = array("I", range(len(self._owners)))
        random.shuffle(self._order)

    def _add(self, owner: int, persona: list[str], pairs: list[UtterancePair]) -> None:
        self._owners.append(owner)
        self._first.append(len(self._replies))
        exchanges = [(partner.text, reply.kind, reply.nats) for partner, reply in pairs]
        self._dialogues.add(json.dumps((persona, exchanges)))
        for _, reply in pairs:
            self.add_reply(reply.text)

    def add_reply(self, text: str) -> int:
        """Keep a reply that stands in no dialogue, or in the next one; return its number."""
        self._replies.add(f"{normalise(text)}\n{text}")
        return len(self._replies) - 1

    def reply(self, number: int) -> tuple[str, str]:
        """Return a reply, normalised and as it is."""
        key, _, text = self._replies[number].partition("\n")
        return key, text

    def own(self, owner: int) -> set[str]:
        """Return all replies of a person, normalised."""
        return {self.reply(i)[0] for i in range(self._firsts[owner], self._firsts[owner + 1])}

    def __iter__(self) -> Iterator[tuple[int, int, list[str], list[tuple[str, str, float]]]]:
        """Yield each dialogue's owner, its first reply, its persona text, and its exchanges."""
        for index in self._order:
            persona, exchanges = json.loads(self._dialogues[index])
            yield self._owners[index], self._first[index], persona, exchanges

    def close(self) -> None:
        self._dialogues.close()
        self._replies.close()


def _dialogues_of(
    person: Person, number: int, strangers: list[Person], random: Random
) -> Iterator[tuple[list[str], list[UtterancePair]]]:
    whole = random.randrange(number)
    said: set[str] = set()
    for i in range(number):
        partner = random.choice(strangers)
        exchanges = converse(partner, person, random=random, said=said, never=frozenset())
        said |= {normalise(reply.text) for _, reply in exchanges}
        yield persona_text(person, random, whole=i == whole), exchanges


def _written(
    params: Synthetic, world: World, split: str, scratch: Path | None
) -> Iterator[Written]:
    with closing(_Dialogues(params, world, split, scratch)) as dialogues:
        pool = _Distractors(params, world, split, dialogues)
        for owner, first, persona, exchanges in dialogues:
            own = dialogues.own(owner)
            texts = [f"your persona: {sentence}" for sentence in persona]
            for number, (partner, kind, _) in enumerate(exchanges, start=first):
                reply = dialogues.reply(number)[1]
                candidates = "|".join([*pool.draw(own, kind), reply])
                texts.append(f"{partner}\t{reply}\t\t{candidates}")
            lines = (f"{number} {text}\n" for number, text in enumerate(texts, start=1))
            yield "".join(lines), [nats for *_, nats in exchanges]


class _Distractors:
    """Draws distractors for a split's replies, first from replies of the same kind."""

    def __init__(self, params: Synthetic, world: World, split: str, dialogues: _Dialogues) -> None:
        self._random = Random(f"{params.seed}/distractors/{split}")
        self._dialogues = dialogues
        self._kinds: dict[str, array[int]] = defaultdict(partial(array, "I"))
        for _, first, _, exchanges in dialogues:
            for number, (_, kind, _) in enumerate(exchanges, start=first):
                self._kinds[kind].append(number)
        if len(world.persons[split]) < FEW:
            for _ in range(NUM_DISTRACTORS):
                for _, reply in _strangers_talk(world, self._random):
                    self._kinds[reply.kind].append(dialogues.add_reply(reply.text))
        self._all = array("I", chain.from_iterable(self._kinds.values()))

    def draw(self, own: Set[str], kind: str) -> list[str]:
        """Return 19 replies, distinct after normalisation; none is of the person's `own`."""
        taken: dict[str, str] = {}
        for numbers in (self._kinds[kind], self._all):
            for number in _shuffled(numbers, self._random):
                if len(taken) == NUM_DISTRACTORS:
                    return list(taken.values())
                key, text = self._dialogues.reply(number)
                if key not in own:
                    taken.setdefault(key, text)
        return list(taken.values())


def _shuffled(items: Sequence[T], random: Random) -> Iterator[T]:
    """Yield the items in random order, at a cost only for those that are taken."""
    moved: dict[int, int] = {}  # place -> index of the item that was moved there
    for last in range(len(items) - 1, -1, -1):
        place = random.randrange(last + 1)
        yield items[moved.get(place, place)]
        moved[place] = moved.get(last, last)
