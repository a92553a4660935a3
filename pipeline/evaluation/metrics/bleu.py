"""Corpus BLEU, by sacrebleu. No torch.

sacrebleu tokenises and counts; BLEU of any set of replies is then a function of sums over them, so
that personas can be resampled without reading a text again.

Sums, c = 10: matched n-grams for n = 1 to 4, n-grams of the responses for n = 1 to 4, words of the
responses, words of the references.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from pipeline.evaluation.records.metric import Array


SIGNATURE = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp"
_ORDERS = 4


@lru_cache(maxsize=1)
def _scorer() -> Any:
    """Return sacrebleu's default BLEU; imported late, since not everything that scores needs it."""
    from sacrebleu.metrics.bleu import BLEU

    return BLEU()


def bleu_counts(response: str, reference: str) -> tuple[float, ...]:
    """Return what one response adds to the sums: an empty one only its reference's words."""
    found = _scorer().corpus_score([response], [[reference]])
    return (*found.counts, *found.totals, found.sys_len, found.ref_len)


def bleu_of(sums: Array) -> Array:
    """Return BLEU from 0 to 100, (..., 10) to (...), smoothed as sacrebleu's default.

    The i-th order without a match counts as 2^-i matches; 0 where no word matches or some order
    has no n-gram at all. Responses shorter in all than the references are penalised.
    """
    matched, total = sums[..., :_ORDERS], sums[..., _ORDERS : 2 * _ORDERS]
    said, asked = sums[..., -2], sums[..., -1]
    none = matched == 0
    smoothed = np.where(none, 0.5 ** np.cumsum(none, axis=-1), matched)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.exp(np.log(smoothed / total).mean(axis=-1))
        brevity = np.exp(np.minimum(0.0, 1 - asked / said))
        score = 100 * brevity * precision
    return np.where(total.all(axis=-1) & ~none.all(axis=-1), score, 0.0)
