"""Group dialogues by persona: the tasks T_i of Section 4.

The files hold persona *variants*: 3 to 5 of a persona's sentences, spelled in several ways. By the
canonical rule two variants belong to one persona if they share three sentences after normalisation;
a persona is a connected component of variants. On Persona-chat that gives 955/100/100 personas in
train, valid and test, the published 1155.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations


PersonaVariant = frozenset[str]

SHARED = 3  # sentences that make two variants one persona
MANY = 12  # sentences of a variant, from which on they are counted

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
    known: dict[str, str] = {}
    distinct: dict[PersonaVariant, int] = {}
    variants = []
    for persona in personas:
        variant = frozenset(known.setdefault(text, text) for text in variant_of(persona))
        variants.append(distinct.setdefault(variant, len(distinct)))
    label = _components(list(distinct))
    members: dict[int, list[int]] = defaultdict(list)
    for index, place in enumerate(variants):
        members[label[place]].append(index)
    return list(members.values())


def _components(variants: Sequence[PersonaVariant]) -> list[int]:
    parent = list(range(len(variants)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in _linked(variants):
        parent[root(other)] = root(one)
    return [root(index) for index in range(len(variants))]


def _linked(variants: Sequence[PersonaVariant]) -> Iterator[tuple[int, int]]:
    """Yield pairs of variants of one persona, enough of them to connect all that belong together.

    Two variants share SHARED sentences if they have a set of SHARED sentences in common. So each is
    linked to the first that has a set, and a sentence that everybody says costs nothing more. A
    variant of many sentences has too many such sets: its shared sentences are counted instead.
    """
    having: dict[str, list[int]] = defaultdict(list)
    for index, variant in enumerate(variants):
        for sentence in variant:
            having[sentence].append(index)
    number = {text: place for place, text in enumerate(having) if len(having[text]) > 1}
    first: dict[int, int] = {}  # a set of sentences, as one number, to the first variant with it
    for index, variant in enumerate(variants):
        common = sorted(number[sentence] for sentence in variant if sentence in number)
        if len(common) > MANY:
            shared = Counter(other for text in variant if text in number for other in having[text])
            yield from ((index, other) for other, count in shared.items() if count >= SHARED)
            continue
        for some in combinations(common, SHARED):
            key = 0
            for place in some:
                key = key * len(having) + place
            yield first.setdefault(key, index), index
