"""distinct-1 and distinct-2 (Li et al. 2016): different n-grams over all n-grams. No torch.

How many n-grams differ depends on the whole set of texts and falls with its size. So distinct-n is
no function of sums over replies, and drawing personas with replacement would only repeat their
n-grams: distinct-n has no interval here. For the same reason training seeds are not pooled: each
seed's texts are counted alone, then the mean over seeds is taken. Compare distinct-n only where the
number of replies is the same.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum
from typing import Literal

import numpy as np

from pipeline.evaluation.records.prediction import Prediction
from pipeline.persona.task.text import words


Field = Literal["response", "greedy", "reference"]
Size = Literal[1, 2]

FIELDS: tuple[Field, ...] = ("response", "greedy", "reference")
SIZES: tuple[Size, ...] = (1, 2)

_AT_ONCE = 4096  # n-grams that are kept before it is asked which of them are new


class Vocabulary:
    """Numbers for words, from 0 on; one serves all texts that are counted together."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def numbers(self, text: str) -> list[int]:
        """Return the number of each word of a text, by ParlAI's rule."""
        return [self._numbers.setdefault(word, len(self._numbers)) for word in words(text)]


class Distinct:
    """Counts n-grams and different ones; eight bytes are kept of each different one."""

    def __init__(self, n: Size) -> None:
        self._n = n
        self._total = 0
        self._known = np.empty(0, np.uint64)
        self._new = array("Q")

    def add(self, numbers: Sequence[int]) -> None:
        """Count the n-grams of one text, given as its words' numbers, each below 2^32."""
        ngrams = numbers if self._n == 1 else [a << 32 | b for a, b in pairwise(numbers)]
        self._total += len(ngrams)
        self._new.extend(ngrams)
        if len(self._new) > max(_AT_ONCE, len(self._known) // 8):
            self._merge()

    def share(self) -> float:
        """Return the share of different n-grams among all, from 0 to 1; 0 without any n-gram."""
        self._merge()
        return len(self._known) / self._total if self._total else 0.0

    def _merge(self) -> None:
        self._known = np.union1d(self._known, np.frombuffer(self._new, np.uint64))
        self._new = array("Q")


def distinct(texts: Iterable[str], n: Size) -> float:
    """Return the share of different n-grams among all n-grams, from 0 to 1; 0 without any n-gram.

    Words are split by ParlAI's rule. An n-gram lies within one text. All texts are pooled.
    """
    vocabulary, ngrams = Vocabulary(), Distinct(n)
    for text in texts:
        ngrams.add(vocabulary.numbers(text))
    return ngrams.share()


@dataclass(frozen=True)
class Diversity:
    """distinct-n of one field."""

    field: Field
    n: Size

    @property
    def name(self) -> str:
        """The metric's name in the details."""
        return f"{self.field}_distinct_{self.n}"

    def __call__(self, records: Sequence[Prediction]) -> float | None:
        """Return 100 times distinct-n, the mean over seeds; null if a text is null."""
        texts = Texts(Vocabulary())
        texts.add(records)
        return texts.diversity(self)


class Texts:
    """The n-grams of one setting's texts, by field and training seed; records come in parts."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._null: set[Field] = set()  # fields that are null in some record
        self._by_seed: dict[tuple[Field, Size], dict[int, Distinct]] = {}

    def add(self, records: Iterable[Prediction]) -> None:
        """Count the texts of some records."""
        for record in records:
            for field in FIELDS:
                text = getattr(record, field)
                if text is None:
                    self._null.add(field)
                    continue
                numbers = self._vocabulary.numbers(text)
                for n in SIZES:
                    by_seed = self._by_seed.setdefault((field, n), {})
                    by_seed.setdefault(record.seed, Distinct(n)).add(numbers)

    def diversity(self, metric: Diversity) -> float | None:
        """Return what the metric is on all records so far."""
        if metric.field in self._null:
            return None
        by_seed = self._by_seed[metric.field, metric.n].values()
        return 100 * fsum(ngrams.share() for ngrams in by_seed) / len(by_seed)


DIVERSITY = tuple(Diversity(field, n) for field in FIELDS for n in SIZES)
