"""Which conversations a person has already: word for word, or for the most part.

A copy of the dialogue that is held out would be adapted to. An older and a newer export of one chat
are copies, both sides' exports under the same names, and records of one conversation that each hold
what was said before one reply.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pipeline.persona.corpus.census import TELLING, Census
from pipeline.persona.corpus.overlap import LEAST, Overlaps
from pipeline.persona.task.record import SILENCE, Dialogue


def had_once(census: Census, person: Sequence[int]) -> list[int]:
    """Return the conversations without those that their person has already; the longest stays.

    Args:
        census: counts all conversations.
        person: the number of each conversation's person.
    """
    own: dict[int, list[int]] = defaultdict(list)
    for index, who in enumerate(person):
        own[who].append(index)
    return sorted(index for indices in own.values() for index in _longest(census, indices))


def dialogues_once(dialogues: Sequence[Dialogue]) -> list[Dialogue]:
    """Return one person's dialogues, of any files, by the rule of `had_once`."""
    texts = _texts_of(dialogues)
    return [dialogues[index] for index in sorted(_longest(texts, range(len(dialogues))))]


def copies(dialogues: Sequence[Dialogue], of: Sequence[Dialogue]) -> list[Dialogue]:
    """Return those dialogues of which others have more than half the messages, whoever says them.

    Args:
        dialogues: which may be copies.
        of: the others, together; one that is a part of a dialogue does not make it a copy.
    """
    texts = _texts_of((*of, *dialogues))
    had = _Had(texts)
    for index in range(len(of)):
        had.add(index)
    # By length: the stretches of all others are made anew where it changes.
    ordered = sorted(range(len(of), len(of) + len(dialogues)), key=texts.length)
    found = {index for index in ordered if 2 * had.messages(index) > texts.length(index)}
    return [one for index, one in enumerate(dialogues, start=len(of)) if index in found]


def holding(dialogues: Sequence[Dialogue], part: Dialogue) -> list[Dialogue]:
    """Return those dialogues each of which has more than half the messages of `part`."""
    texts = _texts_of((part, *dialogues))
    own = Counter(texts.stretches(0, 1))  # single messages: most dialogues have too few of them
    most = [sum(own[m] for m in {*texts.stretches(n, 1)}) for n in range(1, len(dialogues) + 1)]
    may = (one for one, had in zip(dialogues, most, strict=True) if 2 * had > texts.length(0))
    return [one for one in may if copies([part], of=[one])]


def messages_of(dialogue: Dialogue) -> list[str]:
    """Return what both sides say in a dialogue; silence is no message."""
    both = [text for turn in dialogue.turns for text in (turn.partner, turn.reply)]
    return [text for text in both if text not in ("", SILENCE)]


def _texts_of(dialogues: Iterable[Dialogue]) -> Overlaps:
    texts = Overlaps()
    for dialogue in dialogues:
        texts.add(messages_of(dialogue))
    return texts


def _longest(census: Census | Overlaps, indices: Iterable[int]) -> Iterator[int]:
    """Yield those conversations that no longer one has a half of; of equal ones the first."""
    had = _Had(census)
    for index in sorted(indices, key=census.length, reverse=True):
        # Of all messages, the short ones too: friends who get one invitation are no copies.
        if 2 * had.messages(index) <= census.length(index):
            had.add(index)
            yield index


class _Had:
    """What one person's conversations have in common with those that were added."""

    def __init__(self, census: Census | Overlaps) -> None:
        self._census = census
        self._added: list[int] = []
        self._runs: set[int] = set()
        self._stretches: set[int] = set()
        self._length = 0  # of the stretches, in messages

    def add(self, index: int) -> None:
        self._added.append(index)
        self._runs |= self._census.shared(index)
        self._stretches.update(self._census.stretches(index, self._length))

    def messages(self, index: int) -> int:
        """Return how many messages of a conversation were had."""
        again = self._census.shared(index) & self._runs
        covered = self._census.covered(index, again) if len(again) >= LEAST else 0
        return max(covered, self._in_stretches(index))

    def _in_stretches(self, index: int) -> int:
        """Count by messages in a row, so that what many conversations have counts as well.

        Records that each hold all that was said before one reply have its first messages a hundred
        times, as if they were a phrase.
        """
        whole = self._census.length(index)
        if (length := min(whole, TELLING)) != self._length:
            self._length = length
            self._stretches = {
                one for added in self._added for one in self._census.stretches(added, length)
            }
        had = [one in self._stretches for one in self._census.stretches(index, length)]
        covered, end = 0, 0
        for begin, is_had in enumerate(had):
            if is_had:
                covered += begin + length - max(begin, end)
                end = begin + length
        return covered
