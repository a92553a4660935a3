"""Section 4.1's metrics, and the diagnostics beside them: functions of Prediction records.

Each metric is a function of sums over replies, so that an interval over personas needs only one
row of sums for each persona (`bootstrap.py`). Sums are exactly rounded and therefore do not depend
on the order of the records.

Dimension: c, what one reply adds to the sums (a numerator and a denominator).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.evaluation.prediction import Prediction
from pipeline.persona.text import normalise, words


Array = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """A number computed from sums over replies; call it on the records of one setting."""

    name: str
    counts: Callable[[Prediction], tuple[float, ...]]  # what one reply adds, c numbers
    combine: Callable[[Array], Array]  # from sums, (..., c), to the metric, (...)
    better: Literal["lower", "higher"]
    needs: Literal["candidate_nll", "response", "greedy"] | None = None  # field that may be null

    def __call__(self, records: Sequence[Prediction]) -> float:
        """Return the metric over all records together.

        Raises:
            DataError: there are no records, a field that the metric needs is null in some of
                them, or the result is not finite.
        """
        return finite(self.name, self.combine(self.sums(records)))

    def sums(self, records: Sequence[Prediction]) -> Array:
        """Return the sums over the records, (c,).

        Raises:
            DataError: there are no records, or some lack what the metric needs.
        """
        if not records or not self.is_defined(records):
            found = f"none of {len(records)} records has" if records else "no records to have"
            raise DataError(f"{self.name} cannot be computed: {found} `{self.needs or 'nll'}`")
        return np.array([fsum(column) for column in zip(*map(self.counts, records), strict=True)])

    def is_defined(self, records: Sequence[Prediction]) -> bool:
        """Say whether the records hold what the metric needs.

        Raises:
            DataError: some do and some do not, so the metric would leave replies out.
        """
        if self.needs is None:
            return bool(records)
        missing = sum(getattr(record, self.needs) is None for record in records)
        if 0 < missing < len(records):
            raise DataError(
                f"{self.name}: `{self.needs}` is null in {missing} of {len(records)} records of "
                "one setting; run stage finetune again"
            )
        return bool(records) and not missing


def finite(name: str, value: Array | float) -> float:
    """Return `value` as a float.

    Raises:
        DataError: it is infinite or not a number, as after fine-tuning that diverged.
    """
    if not np.isfinite(value):
        raise DataError(f"{name} is {float(value)}: fine-tuning diverged; lower finetune.lr")
    return float(value)


def _ratio(sums: Array) -> Array:
    return np.asarray(sums[..., 0] / sums[..., 1])


def _percent(sums: Array) -> Array:
    return 100 * _ratio(sums)


def _exp_ratio(sums: Array) -> Array:
    with np.errstate(over="ignore"):  # `finite` says it in words
        return np.exp(_ratio(sums))


def _likelihood(record: Prediction) -> tuple[float, float]:
    """Nats and tokens of a reply, its closing token in both."""
    return record.nll + record.nll_end, record.num_tokens + 1


def word_f1(response: str, reference: str) -> float:
    """Return ParlAI's word F1, from 0 to 1 (Section 4.1).

    Words after `normalise` count as often as they occur; 0 where no word is shared, so also for
    an empty response or reference.

    >>> word_f1("the cat and a dog", "A dog , a dog !")
    0.4
    """
    predicted, gold = Counter(normalise(response).split()), Counter(normalise(reference).split())
    shared = (predicted & gold).total()
    return 2 * shared / (predicted.total() + gold.total()) if shared else 0.0


def is_best(scores: Sequence[float], is_gold: Sequence[bool]) -> bool:
    """Say whether every candidate with the lowest score is the gold reply: a tie is no hit."""
    lowest = min(scores)
    return all(gold for score, gold in zip(scores, is_gold, strict=True) if score == lowest)


def rank_of_gold(scores: Sequence[float], is_gold: Sequence[bool]) -> float:
    """Return the rank, from 1, of the best gold candidate among those that are not gold.

    A tie counts half. Candidates that equal the gold reply after normalisation do not compete.
    """
    best = min(score for score, gold in zip(scores, is_gold, strict=True) if gold)
    others = [score for score, gold in zip(scores, is_gold, strict=True) if not gold]
    return 1 + sum(score < best for score in others) + sum(score == best for score in others) / 2


def _per_token(record: Prediction) -> list[float]:
    """Nats per token of each candidate; the closing token is not counted."""
    pairs = zip(record.candidate_nll or (), record.candidate_tokens or (), strict=True)
    return [nll / tokens for nll, tokens in pairs]


def _equals_gold(record: Prediction) -> list[bool]:
    return record.candidate_equals_gold or []


nats_per_token = Metric("nats_per_token", _likelihood, _ratio, "lower")
"""Mean negative log-likelihood of reply tokens and closing tokens, over all replies together."""

ppl = Metric("ppl", _likelihood, _exp_ratio, "lower")
"""Perplexity: exp of `nats_per_token`. The opening mark is given, hence not counted."""

ppl_without_end = Metric("ppl_without_end", lambda r: (r.nll, r.num_tokens), _exp_ratio, "lower")
"""Perplexity over reply tokens alone."""

ppl_per_word = Metric("ppl_per_word", lambda r: (r.nll, r.num_words), _exp_ratio, "lower")
"""Nats of the reply tokens over words by ParlAI's split rule: comparable across tokenizers."""

hits_at_1 = Metric(
    "hits_at_1",
    lambda r: (is_best(_per_token(r), _equals_gold(r)), 1),
    _percent,
    "higher",
    needs="candidate_nll",
)
"""Percent of replies where all candidates with the lowest mean NLL per token equal the gold."""

hits_at_1_by_sum = Metric(
    "hits_at_1_by_sum",
    lambda r: (is_best(r.candidate_nll or [], _equals_gold(r)), 1),
    _percent,
    "higher",
    needs="candidate_nll",
)
"""The same by the candidates' summed NLL, which favours short ones."""

mean_rank = Metric(
    "mean_rank",
    lambda r: (rank_of_gold(_per_token(r), _equals_gold(r)), 1),
    _ratio,
    "lower",
    needs="candidate_nll",
)
"""Mean rank of the gold by mean NLL per token; chance is 10.5 of 20 distinct candidates."""

f1 = Metric(
    "f1",
    lambda r: (word_f1(r.response or "", r.reference), 1),
    _percent,
    "higher",
    needs="response",
)
"""100 times the mean word F1 of the nucleus sample against the real reply."""

greedy_f1 = Metric(
    "greedy_f1",
    lambda r: (word_f1(r.greedy or "", r.reference), 1),
    _percent,
    "higher",
    needs="greedy",
)
"""The same for the greedy response."""

response_words = Metric(
    "response_words",
    lambda r: (len(words(r.response or "")), 1),
    _ratio,
    "higher",
    needs="response",
)
"""Mean length of the nucleus sample in words by ParlAI's split rule."""

empty_responses = Metric(
    "empty_responses",
    lambda r: (not normalise(r.response or ""), 1),
    _percent,
    "lower",
    needs="response",
)
"""Percent of nucleus samples without a word after normalisation."""

TABLE_1 = (ppl, hits_at_1, f1)
