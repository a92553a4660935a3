"""Which texts have a part in common, however long they are before and after it.

Both sides may have exported a chat, under names of their own: one of them later, or from a later
day on, and one deleted a message. Likeness of whole texts does not show that. So texts are
compared by their runs: from one telling message to the next, with the short ones between. A message
tells something if it is long and few texts have it: a line that a machine says to everybody, or a
joke that is sent on, makes no two conversations one.
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from hashlib import blake2b
from itertools import combinations, groupby, pairwise


LONG = 16  # bytes of a message that is not said by chance; scripts without blanks have longer ones
COMMON = 8  # texts; what more have is a phrase that is said often, and tells nothing
LEAST = 2  # runs that two texts share: three telling messages in a row


class Overlaps:
    """Eight bytes for each message of some texts, none of what it says."""

    def __init__(self) -> None:
        self._messages = array("Q")  # digests, of all texts; an odd one is that of a long message
        self._spans: list[array[int]] = []
        self._ends = array("Q", [0])  # where the messages of each text end; no text is before all

    def add(self, messages: Iterable[str]) -> None:
        """Add a text. Texts are numbered from 0, in the order in which they are added."""
        for message in messages:
            words = " ".join(message.split()).encode()
            self._messages.append(_digest(words) & ~1 | (len(words) >= LONG))
        self._ends.append(len(self._messages))

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs of texts that share LEAST runs, the earlier text first."""
        having: dict[int, list[int]] = defaultdict(list)
        for text in range(len(self._runs)):
            for run in self.shared(text):
                having[run].append(text)
        both = Counter(pair for texts in having.values() for pair in combinations(texts, 2))
        yield from (pair for pair, count in both.items() if count >= LEAST)

    def length(self, text: int) -> int:
        """Return how many messages a text has."""
        return self._ends[text + 1] - self._ends[text]

    def covered(self, text: int, runs: set[int]) -> int:
        """Return how many of a text's messages stand in these runs."""
        covered, goes_on = 0, False
        for run, span in zip(self._runs[text], self._spans[text], strict=True):
            covered += (span + (not goes_on)) * (run in runs)  # a run begins where one ends
            goes_on = run in runs
        return covered

    def shared(self, text: int) -> set[int]:
        """Return those of a text's runs that other texts have, too: at most COMMON texts each."""
        return self._of_several.intersection(self._runs[text])

    def stretches(self, text: int, length: int) -> Iterator[int]:
        """Yield digests of all `length` messages in a row of a text, whatever they tell."""
        messages = self._messages[self._ends[text] : self._ends[text + 1]]
        for begin in range(len(messages) - length + 1):
            yield _digest(messages[begin : begin + length].tobytes())

    @cached_property
    def _runs(self) -> list["array[int]"]:
        """Of each text, the digests of its runs."""
        texts = [self._messages[begin:end] for begin, end in pairwise(self._ends)]
        phrases = _repeated(({one for one in text if one & 1} for text in texts), COMMON)
        found = [_runs_of(text, phrases) for text in texts]
        self._spans = [array("L", of_text.values()) for of_text in found]  # in the same order
        return [array("Q", of_text) for of_text in found]

    @cached_property
    def _of_several(self) -> set[int]:
        return _repeated(self._runs, 1)


def _runs_of(text: "array[int]", phrases: set[int]) -> dict[int, int]:
    """Return the digests of a text's runs, with how many messages further each ends."""
    telling = [place for place, one in enumerate(text) if one & 1 and one not in phrases]
    return {_digest(text[a : b + 1].tobytes()): b - a for a, b in pairwise(telling)}


def _repeated(sets: Iterable[Iterable[int]], times: int) -> set[int]:
    """Return what more than `times` sets have. Sorted numbers take less memory than counts."""
    numbers = array("Q")
    for one in sets:
        numbers.extend(one)
    return {number for number, equal in groupby(sorted(numbers)) if sum(1 for _ in equal) > times}


def _digest(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")
