"""Section 4.1's metrics, and the diagnostics beside them: functions of Prediction records.

Each says what it counts. Call a metric on the records of one setting; `bootstrap.py` gives its
interval.
"""

from collections import Counter
from collections.abc import Sequence

from pipeline.evaluation.aggregate import Metric, exp_ratio, nats_per_token, percent, ratio
from pipeline.evaluation.prediction import Prediction
from pipeline.persona.text import normalise, words


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


ppl = Metric("ppl", nats_per_token.counts, exp_ratio, "lower")
"""Perplexity: exp of the NLL per token, closing token counted, over all replies together."""

ppl_without_end = Metric("ppl_without_end", lambda r: (r.nll, r.num_tokens), exp_ratio, "lower")
"""Perplexity over reply tokens alone."""

ppl_per_word = Metric("ppl_per_word", lambda r: (r.nll, r.num_words), exp_ratio, "lower")
"""Nats of the reply tokens over words by ParlAI's split rule: comparable across tokenizers."""

hits_at_1 = Metric(
    "hits_at_1",
    lambda r: (is_best(_per_token(r), _equals_gold(r)), 1),
    percent,
    "higher",
    needs="candidate_nll",
)
"""Percent of replies where all candidates with the lowest mean NLL per token equal the gold."""

hits_at_1_by_sum = Metric(
    "hits_at_1_by_sum",
    lambda r: (is_best(r.candidate_nll or [], _equals_gold(r)), 1),
    percent,
    "higher",
    needs="candidate_nll",
)
"""The same by the candidates' summed NLL, which favours short ones."""

mean_rank = Metric(
    "mean_rank",
    lambda r: (rank_of_gold(_per_token(r), _equals_gold(r)), 1),
    ratio,
    "lower",
    needs="candidate_nll",
)
"""Mean rank of the gold by mean NLL per token; chance is 10.5 of 20 distinct candidates."""

f1 = Metric(
    "f1",
    lambda r: (word_f1(r.response or "", r.reference), 1),
    percent,
    "higher",
    needs="response",
)
"""100 times the mean word F1 of the nucleus sample against the real reply."""

greedy_f1 = Metric(
    "greedy_f1",
    lambda r: (word_f1(r.greedy or "", r.reference), 1),
    percent,
    "higher",
    needs="greedy",
)
"""The same for the greedy response."""

response_words = Metric(
    "response_words",
    lambda r: (len(words(r.response or "")), 1),
    ratio,
    "higher",
    needs="response",
)
"""Mean length of the nucleus sample in words by ParlAI's split rule."""

empty_responses = Metric(
    "empty_responses",
    lambda r: (not normalise(r.response or ""), 1),
    percent,
    "lower",
    needs="response",
)
"""Percent of nucleus samples without a word after normalisation."""

TABLE_1 = (ppl, hits_at_1, f1)
