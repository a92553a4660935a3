"""Who says how much in a corpus: some numbers for each conversation, none of its text."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from pipeline.persona.conversation.record import Conversation, Role
from pipeline.persona.corpus.overlap import Overlaps
from pipeline.persona.task.record import SPLITS
from pipeline.persona.tasks.grouping import group


OPENING = 4  # messages by which views of one conversation are known
TELLING = 6  # messages that two conversations do not share by chance
NO_SPLIT = 0  # else the split's place in SPLITS, plus one


class Census:
    """Numbers of conversations, in the order in which they were added.

    Attributes:
        replies: of each conversation.
        splits: of each, as its corpus says it.
        texts: equal for views with the same messages, whoever says them.
    """

    def __init__(self) -> None:
        self.replies = array("L")
        self.splits = bytearray()
        self.texts: list[bytes] = []
        self._names_of_views: list[bytes | None] = []
        self._overlaps = Overlaps()
        self._numbers: dict[bytes, int] = {}  # of texts, by their key
        self._text = array("L")  # the number of each conversation's text
        self._openings: list[tuple[bytes, Role]] = []
        self._who = array("q")  # a name's number; below 0, a persona's: -1 is persona 0
        self._names: dict[str, int] = {}
        self._personas: dict[tuple[str, ...], int] = {}

    def __len__(self) -> int:
        return len(self.replies)

    def add(self, given: Conversation, tidied: Conversation) -> None:
        """Count a conversation, as a reader found it and as it was tidied."""
        self.replies.append(sum(m.role == "assistant" for m in tidied.messages))
        self.splits.append(0 if given.split is None else SPLITS.index(given.split) + 1)
        said = [m for m in given.messages if m.role != "system" and m.content.strip()]
        self.texts.append(_key(m.content.strip() for m in said))
        self._openings.append((_key(m.content.strip() for m in said[:OPENING]), said[0].role))
        name = None if given.conversation is None else _key([given.conversation])
        self._names_of_views.append(name)
        # Few messages under two names may be two conversations by chance.
        text = self.texts[-1] if len(said) >= TELLING else self.texts[-1] + (name or b"")
        if text not in self._numbers:
            self._numbers[text] = len(self._numbers)
            self._overlaps.add(m.content for m in said)
        self._text.append(self._numbers[text])
        if given.person is None:
            persona = tuple(given.persona)
            self._who.append(-1 - self._personas.setdefault(persona, len(self._personas)))
        else:
            self._who.append(self._names.setdefault(given.person, len(self._names)))

    def keys(self) -> list[bytes]:
        """Return a key of each conversation, equal for views of one conversation.

        Where the corpus does not name it, views with the same first messages belong together, if
        what the person says in one the other side says in the other. The end may be missing in one:
        it stops at the person's last reply. Conversations of two names are one as well if they have
        the same text of TELLING messages, or parts in common: both sides may have exported a chat,
        under names of their own, one of them later, and one may have deleted a message.
        """
        sides: dict[bytes, set[Role]] = defaultdict(set)
        for opening, role in self._openings:
            sides[opening].add(role)
        one = self._joined_names()
        return [
            one[name] if name else (opening if len(sides[opening]) == 2 else text)
            for name, (opening, _), text in zip(
                self._names_of_views, self._openings, self.texts, strict=True
            )
        ]

    def _joined_names(self) -> dict[bytes, bytes]:
        """Return the first of all names of a conversation, by each of its names."""
        first: dict[bytes, bytes] = {}

        def root(name: bytes) -> bytes:
            while first.setdefault(name, name) != name:
                first[name] = name = first[first[name]]
            return name

        named: dict[int, bytes] = {}  # the first name of each text
        for name, text in zip(self._names_of_views, self._text, strict=True):
            if name:
                first[root(name)] = root(named.setdefault(text, name))
        for one, other in self._overlaps.pairs():
            if one in named and other in named:
                first[root(named[other])] = root(named[one])
        return {name: root(name) for name in first}

    def length(self, index: int) -> int:
        """Return how many messages a conversation has, a system's not counted."""
        return self._overlaps.length(self._text[index])

    def shared(self, index: int) -> set[int]:
        """Return those of a conversation's runs that other texts have, too."""
        return self._overlaps.shared(self._text[index])

    def covered(self, index: int, runs: set[int]) -> int:
        """Return how many messages of a conversation stand in these runs; see `Overlaps`."""
        return self._overlaps.covered(self._text[index], runs)

    def stretches(self, index: int, length: int) -> Iterator[int]:
        """Yield digests of all so many messages in a row of a conversation."""
        return self._overlaps.stretches(self._text[index], length)

    def people(self) -> tuple[list[str], list[int]]:
        """Return the people's names, and the number of each conversation's person.

        Whom the corpus does not name is known by persona text: the canonical rule of Persona-chat,
        within each split that the corpus gives.
        """
        names = [*self._names]
        numbers = [*self._who]
        unnamed: dict[int, list[int]] = defaultdict(list)
        for index, who in enumerate(numbers):
            if who < 0:
                unnamed[self.splits[index]].append(index)
        personas = [*self._personas]
        for split, indices in unnamed.items():
            prefix = "" if split == NO_SPLIT else f"{SPLITS[split - 1]}-"
            groups = group([personas[-1 - numbers[index]] for index in indices])
            for number, members in enumerate(groups):
                names.append(f"{prefix}persona-{number:04d}")
                for member in members:
                    numbers[indices[member]] = len(names) - 1
        return names, numbers


def _key(texts: Iterable[str]) -> bytes:
    """Return a short name of texts: they themselves would fill the memory."""
    return blake2b("\n".join(texts).encode(), digest_size=16).digest()
