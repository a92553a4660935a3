"""distinct-1 and distinct-2 (Li et al. 2016): different n-grams over all n-grams. No torch.

How many n-grams differ depends on the whole set of texts and falls with its size. So distinct-n is
no function of sums over replies, and drawing personas with replacement would only repeat their
n-grams: distinct-n has no interval here. For the same reason training seeds are not pooled: each
seed's texts are counted alone, then the mean over seeds is taken. Compare distinct-n only where the
number of replies is the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Literal

from pipeline.evaluation.records.prediction import Prediction
from pipeline.persona.text import words


def distinct(texts: Iterable[str], n: int) -> float:
    """Return the share of different n-grams among all n-grams, from 0 to 1; 0 without any n-gram.

    Words are split by ParlAI's rule. An n-gram lies within one text. All texts are pooled.
    """
    ngrams = [ngram for text in texts for ngram in _ngrams(words(text), n)]
    return len(set(ngrams)) / len(ngrams) if ngrams else 0.0


def _ngrams(said: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(said[i : i + n]) for i in range(len(said) - n + 1)]


@dataclass(frozen=True)
class Diversity:
    """distinct-n of one field; call it on the records of one setting."""

    field: Literal["response", "greedy", "reference"]
    n: int

    @property
    def name(self) -> str:
        """The metric's name in the details."""
        return f"{self.field}_distinct_{self.n}"

    def __call__(self, records: Sequence[Prediction]) -> float | None:
        """Return 100 times distinct-n, the mean over seeds; null if a text is null."""
        by_seed: dict[int, list[str]] = {}
        for record in records:
            text = getattr(record, self.field)
            if text is None:
                return None
            by_seed.setdefault(record.seed, []).append(text)
        return 100 * fsum(distinct(t, self.n) for t in by_seed.values()) / len(by_seed)


DIVERSITY = tuple(
    Diversity(field, n) for field in ("response", "greedy", "reference") for n in (1, 2)
)
