"""Corpus BLEU, by sacrebleu. No torch.

sacrebleu tokenises and counts. BLEU of a set of replies is then a function of sums over the
replies, so personas are resampled without reading a text again.

Sums, c = 10: matched n-grams for n = 1 to 4, n-grams of the responses for n = 1 to 4, words of the
responses, words of the references.
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np

from pipeline.evaluation.records.metric import Array


SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"
_ORDERS = 4


@lru_cache(maxsize=1)
def _scorer() -> Any:
    """Return sacrebleu's default BLEU; it is imported late, since few commands need it."""
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU()
    # sacrebleu remembers the words of 65,536 texts, twice; what a person says is enough.
    own = scorer.tokenizer
    own._post_tokenizer = _forgetful(own._post_tokenizer)
    scorer.tokenizer = _forgetful(own)
    return scorer


def _forgetful(tokenizer: Any) -> Any:
    """Return a tokenizer of sacrebleu's that remembers few texts."""
    words: Any = type(tokenizer).__call__
    return lru_cache(maxsize=256)(partial(words.__wrapped__, tokenizer))


def bleu_counts(response: str, reference: str) -> tuple[float, ...]:
    """Return what one response adds to the sums; an empty one adds only its reference's words."""
    score = _scorer().corpus_score([response], [[reference]])
    return (*score.counts, *score.totals, score.sys_len, score.ref_len)


def bleu_of(sums: Array) -> Array:
    """Return BLEU from 0 to 100, (..., 10) to (...), smoothed as sacrebleu's default.

    The i-th order without a match counts as 2^-i matches. BLEU is 0 where no word matches, or where
    some order has no n-gram at all. It is lowered if the responses are shorter in all than the
    references.
    """
    matched, total = sums[..., :_ORDERS], sums[..., _ORDERS : 2 * _ORDERS]
    response_words, reference_words = sums[..., -2], sums[..., -1]
    unmatched = matched == 0
    smoothed = np.where(unmatched, 0.5 ** np.cumsum(unmatched, axis=-1), matched)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(smoothed / total).mean(axis=-1))
        brevity = np.exp(np.minimum(0.0, 1 - reference_words / response_words))
        score = 100 * brevity * precision
    return np.where(total.all(axis=-1) & ~unmatched.all(axis=-1), score, 0.0)
