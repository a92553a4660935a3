"""Group dialogues by persona: the tasks T_i of Section 4.

The files hold persona *variants*: 3 to 5 of a persona's sentences, spelled in several ways. By the
canonical rule two variants belong to one persona if they share three sentences after normalisation;
a persona is a connected component of variants. On Persona-chat that gives 955/100/100 personas in
train, valid and test, the published 1155.
"""

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import chain, combinations
from math import comb


PersonaVariant = frozenset[str]
_Numbers = tuple[int, ...]  # of a variant's sentences, increasing

SHARED = 3  # sentences that make two variants one persona
MANY = 12  # sentences of a variant, above which they are counted
SETS_AT_ONCE = 200_000  # sets of sentences in memory

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


def group(personas: Sequence[Sequence[str]]) -> list[list[int]]:
    """Group dialogues by persona, by the canonical rule.

    Args:
        personas: each dialogue's persona sentences, in file order.

    Returns:
        Lists of dialogue indices, each in file order, ordered by their first dialogue.
    """
    number: dict[str, int] = {}  # of each sentence
    distinct: dict[_Numbers, int] = {}
    variants = array("L")
    for persona in personas:
        sentences = {number.setdefault(text, len(number)) for text in variant_of(persona)}
        variants.append(distinct.setdefault(tuple(sorted(sentences)), len(distinct)))
    label = _components(list(distinct), len(number))
    members: dict[int, list[int]] = defaultdict(list)
    for index, place in enumerate(variants):
        members[label[place]].append(index)
    return list(members.values())


def _components(variants: Sequence[_Numbers], num_sentences: int) -> list[int]:
    parent = list(range(len(variants)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in chain(_linked(variants, num_sentences), _linked_to_large(variants)):
        parent[root(other)] = root(one)
    return [root(index) for index in range(len(variants))]


def _linked(variants: Sequence[_Numbers], num_sentences: int) -> Iterator[tuple[int, int]]:
    """Yield pairs of variants of one persona, enough of them to connect all that belong together.

    Two variants share SHARED sentences if they have a set of SHARED sentences in common. So each is
    linked to the first that has a set, and a sentence that everybody says costs nothing more. Of
    the sets a part at a time is kept in memory, by their first sentence.
    """
    said = Counter(sentence for variant in variants for sentence in variant)
    sets = sum(comb(len(variant), SHARED) for variant in variants if len(variant) <= MANY)
    parts = 1 + sets // SETS_AT_ONCE
    for part in range(parts):
        first: dict[int, int] = {}  # a set as one number, to the first variant with it
        for index, variant in enumerate(variants):
            common = [sentence for sentence in variant if said[sentence] > 1]
            if len(variant) > MANY or len(common) < SHARED:
                continue
            for some in combinations(common, SHARED):
                if some[0] % parts == part:
                    key = reduce(lambda whole, sentence: whole * num_sentences + sentence, some)
                    yield first.setdefault(key, index), index


def _linked_to_large(variants: Sequence[_Numbers]) -> Iterator[tuple[int, int]]:
    """Yield the pairs with a variant of over MANY sentences, by counting what they share.

    Such a variant has too many sets of sentences. People have few sentences: there is hardly one.
    """
    large = [index for index, variant in enumerate(variants) if len(variant) > MANY]
    if not large:
        return
    having: dict[int, list[int]] = defaultdict(list)
    for index, variant in enumerate(variants):
        for sentence in variant:
            having[sentence].append(index)
    for index in large:
        shared = Counter(other for sentence in variants[index] for other in having[sentence])
        yield from ((index, other) for other, count in shared.items() if count >= SHARED)
