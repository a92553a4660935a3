"""Group dialogues by persona: the tasks T_i of Section 4.

The files hold persona *variants*: 3 to 5 of a persona's sentences, spelled in several ways. By the
canonical rule two variants belong to one persona if they share three sentences after normalisation;
a persona is a connected component of variants. On Persona-chat that gives 955/100/100 personas in
train, valid and test, the published 1155.
"""

import re
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import overload


PersonaVariant = frozenset[str]

SHARED = 3  # sentences that make two variants one persona; `_join_sharing` is written for three

# Applied once, in this order, after apostrophes have become blanks. Some files have blanks already
# ("i m a nurse"); others have "i'm" or "i am".
_SPELLING = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\bi m\b", "i am"),
        (r"\bi ve\b", "i have"),
        (r"\bi d\b", "i would"),
        (r"\bit s\b", "it is"),
        (r"\b(\w+)n t\b", r"\1 not"),
        (r"ca not", "cannot"),
        (r"wo not", "will not"),
    )
)


@lru_cache(maxsize=1 << 12)  # sentences return in every dialogue of a person
def normalise_sentence(sentence: str) -> str:
    """Return a persona sentence in the one spelling by which variants are compared.

    >>> normalise_sentence("I'm a nurse ,  and i don t drive.")
    'i am a nurse , and i do not drive'
    """
    text = " ".join(sentence.lower().replace("'", " ").rstrip(". ").split())
    for pattern, replacement in _SPELLING:
        text = pattern.sub(replacement, text)
    return text


def variant_of(persona: Sequence[str]) -> PersonaVariant:
    """Return a dialogue's persona as a set of normalised sentences."""
    return frozenset(map(normalise_sentence, persona))


class Variants(Sequence[Sequence[int]]):
    """Persona variants, each as the increasing numbers of its sentences; four bytes a number.

    Attributes:
        sentences: the normalised sentences, to their numbers.
    """

    def __init__(self) -> None:
        self.sentences: dict[str, int] = {}
        self._numbers, self._ends = array("I"), array("Q", [0])

    def add(self, variant: Iterable[str]) -> None:
        """Add a variant of normalised sentences."""
        known = self.sentences
        self._numbers.extend(sorted({known.setdefault(text, len(known)) for text in variant}))
        self._ends.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> Sequence[int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sequence[int]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[int] | list[Sequence[int]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._numbers[self._ends[index] : self._ends[index + 1]]

    def texts(self) -> Iterator[list[str]]:
        """Yield each variant's normalised sentences."""
        names = [*self.sentences]
        return ([names[number] for number in variant] for variant in self)

    def having(self) -> tuple["array[int]", "array[int]"]:
        """Return the variants that have each sentence, and where each sentence's begin."""
        said = Counter(self._numbers)
        begins = array("Q", accumulate((said[s] for s in range(len(said))), initial=0))
        place, owners = array("Q", begins), array("I", bytes(4 * len(self._numbers)))
        for index, variant in enumerate(self):
            for sentence in variant:
                owners[place[sentence]] = index
                place[sentence] += 1
        return owners, begins


def group(personas: Iterable[Sequence[str]]) -> list[list[int]]:
    """Group dialogues by persona, by the canonical rule.

    Args:
        personas: each dialogue's persona sentences, in file order.

    Returns:
        Lists of dialogue indices, each in file order, ordered by their first dialogue.
    """
    variants = Variants()
    for persona in personas:
        variants.add(variant_of(persona))
    return group_variants(variants)


def group_variants(variants: Variants) -> list[list[int]]:
    """Return what `group` does, of variants, by their indices; an equal one may be there twice."""
    label = _components(variants)
    members: dict[int, list[int]] = defaultdict(list)
    for index, component in enumerate(label):
        members[component].append(index)
    return list(members.values())


class _Components:
    """Which variants are known to belong together."""

    def __init__(self, count: int) -> None:
        self._parent = array("L", range(count))

    def root(self, index: int) -> int:
        """Return the same variant for all of a component."""
        parent = self._parent
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        """Make one component of two variants'."""
        self._parent[self.root(other)] = self.root(one)

    def are_one(self, several: Sequence[int]) -> bool:
        """Say whether all of them are in one component."""
        one = self.root(several[0])
        return all(self.root(index) == one for index in several)


def _components(variants: Variants) -> Sequence[int]:
    known = _Components(len(variants))
    _join_short(variants, known)
    _join_sharing(variants, known)
    return array("L", (known.root(index) for index in range(len(variants))))


def _join_short(variants: Variants, known: _Components) -> None:
    """Join equal variants that have too few sentences to share SHARED."""
    first: dict[bytes, int] = {}
    for index, variant in enumerate(variants):
        if len(variant) < SHARED:
            known.join(first.setdefault(array("I", variant).tobytes(), index), index)


def _join_sharing(variants: Variants, known: _Components) -> None:
    """Join the variants that share SHARED sentences: a first, a second and a third one.

    Those who have a first sentence are looked at together, of them those who have a second. Where
    all of them are one component already, nothing more can be learnt of them: what many people
    share costs one look at each.
    """
    owners, begins = variants.having()
    for first in range(len(variants.sentences)):
        with_first = owners[begins[first] : begins[first + 1]]
        if known.are_one(with_first):
            continue
        for second, both in _by_later(variants, begins, first, with_first).items():
            if known.are_one(both):
                continue
            for all_three in _by_later(variants, begins, second, both).values():
                for index in all_three:
                    known.join(all_three[0], index)


def _by_later(
    variants: Variants, begins: Sequence[int], sentence: int, some: Sequence[int]
) -> dict[int, "array[int]"]:
    """Return which of some variants have each sentence of a higher number that several say."""
    having: dict[int, array[int]] = defaultdict(lambda: array("I"))
    for index in some:
        variant = variants[index]
        for later in variant[bisect_right(variant, sentence) :]:
            if begins[later + 1] - begins[later] > 1:
                having[later].append(index)
    return having
