"""Mutations that coverage guides, without any package: an input that reaches a new line is kept."""

import sys
from collections.abc import Callable
from random import Random
from time import monotonic
from types import CodeType, FrameType
from typing import Any

from tests.faults.fuzz.target import Target
from tests.wiring.closure import ROOT


WATCHED = (str(ROOT / "pipeline"), str(ROOT / "stages"), "/ruamel/", "/h11/", "/tarfile.py")
MOST_CHANGES = 6
LARGEST = 20_000  # bytes of an input


class Lines:
    """The lines of the watched code that have been reached."""

    def __init__(self) -> None:
        self.seen: set[tuple[CodeType, int]] = set()
        self._watched: dict[CodeType, bool] = {}

    def reached(self, call: Callable[[], None]) -> bool:
        """Call; say whether that reached a line for the first time."""
        before = len(self.seen)
        sys.settrace(self._at_call)
        try:
            call()
        finally:
            sys.settrace(None)
        return len(self.seen) > before

    def _at_call(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if code not in self._watched:
            self._watched[code] = any(part in code.co_filename for part in WATCHED)
        return self._at_line if self._watched[code] else None

    def _at_line(self, frame: FrameType, event: str, argument: object) -> Any:
        self.seen.add((frame.f_code, frame.f_lineno))
        return self._at_line


def guided(one: Callable[[bytes], None], target: Target, end: float, seed: int) -> None:
    """Try the seeds, and mutations of what has reached new lines, until `end`, a monotonic time."""
    random, lines, kept = Random(seed), Lines(), list(target.seeds())
    for content in kept[:]:
        lines.reached(lambda content=content: one(content))  # type: ignore[misc]
    while monotonic() < end:
        content = mutated(random, random.choice(kept), kept, target.words)
        if lines.reached(lambda content=content: one(content)):  # type: ignore[misc]
            kept.append(content)


def mutated(random: Random, content: bytes, others: Any, words: Any) -> bytes:
    """Return an input with a few changes of bytes, of runs of bytes, of known words."""
    changed = bytearray(content)
    for _ in range(random.randint(1, MOST_CHANGES)):
        place, end = sorted(random.randint(0, len(changed)) for _ in range(2))
        end = min(end, place + random.choice((1, 4, 16, 1000)))
        way = random.randrange(6)
        if way == 0 and place < len(changed):
            changed[place] ^= 1 << random.randrange(8)
        elif way == 1 and place < len(changed):
            changed[place] = random.randrange(256)
        elif way == 2:
            del changed[place:end]
        elif way == 3:
            changed[place:place] = changed[place:end] * random.choice((1, 1, 2, 50))
        elif way == 4 and words:
            changed[place:end] = random.choice(words)
        else:
            other = random.choice(others)
            begin = random.randint(0, len(other))
            changed[place:end] = other[begin : begin + random.choice((4, 30, 300))]
    return bytes(changed[:LARGEST])
