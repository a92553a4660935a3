"""Which conversations are one under several names: most of what tells them apart is the same.

Both sides may have exported a chat, under names of their own. The two texts may differ a little:
one side deleted a message, or edited one. A conversation's sketch is the lowest digests of its long
messages. Two sketches are compared in place of two texts (bottom-k sampling, Broder 1997).
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from heapq import nsmallest
from itertools import pairwise


LONG = 16  # bytes of a message that is not said by chance; scripts without blanks have longer ones
SKETCH = 16  # digests of a conversation
COMMON = 8  # conversations; what more have is a phrase that is said often, and tells nothing
LEAST = 3  # digests that two sketches share, and over half of the shorter one


class Overlaps:
    """The sketches of named conversations: at most SKETCH numbers of each."""

    def __init__(self) -> None:
        self._sketches: dict[bytes, array[int]] = {}

    def add(self, name: bytes, messages: Iterable[str]) -> None:
        """Add the messages of a conversation, or of another view of it."""
        words = (" ".join(message.split()).encode() for message in messages)
        digests = {_digest(text) for text in words if len(text) >= LONG}
        digests.update(self._sketches.get(name, ()))
        self._sketches[name] = array("Q", nsmallest(SKETCH, digests))

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs of names that link all names of one conversation, the earlier name first.

        Each digest links the conversations that have it in a chain. So the work grows with the
        sketches, not with the pairs.
        """
        names = [*self._sketches]
        having: dict[int, array[int]] = defaultdict(lambda: array("L"))
        for number, sketch in enumerate(self._sketches.values()):
            for digest in sketch:
                having[digest].append(number)
        shared = Counter(
            link
            for numbers in having.values()
            if len(numbers) <= COMMON
            for link in pairwise(numbers)
        )
        for (one, other), count in shared.items():
            shorter = min(len(self._sketches[names[one]]), len(self._sketches[names[other]]))
            if count >= LEAST and 2 * count > shorter:
                yield names[one], names[other]


def _digest(text: bytes) -> int:
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
