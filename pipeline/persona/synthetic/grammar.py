"""Weighted choices and templates, sampled and scored in the same step.

Every choice goes through `Draw`, which adds its negative log-probability to `Draw.nats`. So a
text's score is that of its derivation. It is exact if the text has one derivation, and an upper
bound of the text's negative log-probability if it has several.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import accumulate
from math import log
from random import Random
from string import Formatter
from typing import Generic, TypeVar


T = TypeVar("T")


class Weighted(Generic[T]):
    """Items and their probabilities, which are proportional to the weights."""

    def __init__(self, items: Sequence[T], weights: Sequence[float] | None = None) -> None:
        weights = [1.0] * len(items) if weights is None else weights
        if not items or len(items) != len(weights) or min(weights) <= 0:
            raise ValueError("a choice needs items, each with a positive weight")
        self.items = tuple(items)
        self.total = sum(weights)
        self.nats = tuple(log(self.total / weight) for weight in weights)
        self._cumulative = list(accumulate(weights))

    def at(self, point: float) -> int:
        """Return the index of the item that holds `point`, in [0, 1)."""
        return min(bisect_right(self._cumulative, point * self.total), len(self.items) - 1)


Symbols = Mapping[str, Weighted[str]]


class Draw:
    """A sequence of random choices; `nats` is the negative log-probability of all of them."""

    def __init__(self, random: Random) -> None:
        self.nats = 0.0
        self._random = random

    def choose(self, options: Weighted[T]) -> T:
        """Draw one item."""
        index = options.at(self._random.random())
        self.nats += options.nats[index]
        return options.items[index]

    def flip(self, probability: float) -> bool:
        """Return true with this probability, in (0, 1)."""
        heads = self._random.random() < probability
        self.nats -= log(probability if heads else 1 - probability)
        return heads

    def expand(self, template: str, symbols: Symbols, slots: Mapping[str, str]) -> str:
        """Replace each `{name}` of a template by the slot's text, else by an expanded symbol.

        Raises:
            KeyError: a name is neither a slot nor a symbol.
        """
        text = ""
        for literal, name in _parts(template):
            text += literal
            if name in slots:
                text += slots[name]
            elif name:
                text += self.expand(self.choose(symbols[name]), symbols, slots)
        return text


@cache
def _parts(template: str) -> tuple[tuple[str, str], ...]:
    return tuple((literal, name or "") for literal, name, _, _ in Formatter().parse(template))
