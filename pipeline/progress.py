"""How far work is: the library tells a function that the shell hands in, and shows nothing."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar


Item = TypeVar("Item")
Advance = Callable[[int, str], None]  # (units done so far, a few words)


def untold(done: int, words: str) -> None:
    """Tell nobody."""
    del done, words


def counted(
    items: Iterable[Item], advance: Advance, words: str = "", *, every: int = 1
) -> Iterator[Item]:
    """Yield the items, and tell after each, or after so many, how many are done."""
    for number, item in enumerate(items, start=1):
        yield item
        if number % every == 0:
            advance(number, words)
