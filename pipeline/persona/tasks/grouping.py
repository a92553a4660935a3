"""Group dialogues by persona: the tasks T_i of Section 4.

The files hold persona *variants*: 3 to 5 of a persona's sentences, spelled in several ways. By the
canonical rule two variants belong to one persona if they share three sentences after normalisation;
a persona is a connected component of variants. On Persona-chat that gives 955/100/100 personas in
train, valid and test, the published 1155.
"""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, reduce
from itertools import accumulate, chain, combinations
from math import comb
from typing import overload


PersonaVariant = frozenset[str]

SHARED = 3  # sentences that make two variants one persona
MANY = 12  # sentences of a variant, above which they are counted
SETS_AT_ONCE = 50_000  # sets of sentences in memory

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


def _components(variants: Variants) -> Sequence[int]:
    parent = array("L", range(len(variants)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in chain(_equal(variants), _linked(variants), _linked_to_large(variants)):
        parent[root(other)] = root(one)
    return array("L", (root(index) for index in range(len(variants))))


def _equal(variants: Variants) -> Iterator[tuple[int, int]]:
    """Yield pairs of equal variants that have too few sentences to share SHARED, or too many."""
    first: dict[bytes, int] = {}
    for index, variant in enumerate(variants):
        if not SHARED <= len(variant) <= MANY:
            yield first.setdefault(array("I", variant).tobytes(), index), index


def _linked(variants: Variants) -> Iterator[tuple[int, int]]:
    """Yield pairs of variants of one persona, enough of them to connect all that belong together.

    Two variants share SHARED sentences if they have a set of SHARED sentences in common. So each is
    linked to the first that has a set, and a sentence that everybody says costs little more. In
    memory are the sets with one first sentence; of a sentence with many, a part of them.
    """
    owners, begins = variants.having()
    for sentence in range(len(variants.sentences)):
        own = owners[begins[sentence] : begins[sentence + 1]]
        if len(own) == 1:
            continue
        sets = sum(comb(len(variants[i]), SHARED - 1) for i in own if len(variants[i]) <= MANY)
        parts = 1 + sets // SETS_AT_ONCE
        for part in range(parts):
            first: dict[int, int] = {}  # the rest of a set as one number, to its first variant
            for index in own:
                for some in _rests(variants[index], sentence):
                    if some[0] % parts == part:
                        key = reduce(lambda whole, s: whole * len(variants.sentences) + s, some)
                        yield first.setdefault(key, index), index


def _rests(variant: Sequence[int], sentence: int) -> Iterator[tuple[int, ...]]:
    """Yield what a variant's sets of SHARED have besides their first sentence."""
    if len(variant) > MANY:
        return iter(())
    return combinations((other for other in variant if other > sentence), SHARED - 1)


def _linked_to_large(variants: Variants) -> Iterator[tuple[int, int]]:
    """Yield the pairs with a variant of over MANY sentences, by counting what they share.

    Such a variant has too many sets of sentences. People have few sentences: there is hardly one.
    """
    large = [index for index, variant in enumerate(variants) if len(variant) > MANY]
    if not large:
        return
    owners, begins = variants.having()
    for index in large:
        shared = Counter(
            other
            for sentence in variants[index]
            for other in owners[begins[sentence] : begins[sentence + 1]]
        )
        yield from ((index, other) for other, count in shared.items() if count >= SHARED)
