"""Likelihood metrics (Section 4.1): three perplexities and bits per byte. No torch.

All of them use `nll`, the nats of the real reply's tokens given persona and history. They differ in
whether the closing token counts, and in the unit that nats are divided by. None of them counts the
opening mark, persona or history, which are given. Replies are pooled: nats and units are summed
over all replies before the division, so long replies weigh more (`scoring/estimates.py` has the
macro averages).
"""

from math import log

from pipeline.evaluation.records.metric import Array, Metric, exp_ratio, nats_per_token, ratio
from pipeline.evaluation.records.prediction import Prediction


def _bits(sums: Array) -> Array:
    """Return nats per unit as bits per unit."""
    return ratio(sums) / log(2)


def _bytes(record: Prediction) -> tuple[float, float]:
    return record.nll, len(record.reference.encode())


ppl = Metric("ppl", nats_per_token.counts, exp_ratio, "lower")
"""Perplexity: exp of the nats per token; reply tokens and one closing token per reply count."""

ppl_without_end = Metric("ppl_without_end", lambda r: (r.nll, r.num_tokens), exp_ratio, "lower")
"""Perplexity over the reply's tokens alone; the closing token counts on neither side."""

ppl_per_word = Metric("ppl_per_word", lambda r: (r.nll, r.num_words), exp_ratio, "lower")
"""exp of the reply tokens' nats per word by ParlAI's split rule (`task.text.words`).

The closing token counts on neither side. A punctuation mark of the rule is a word. The metric is
comparable across tokenizers. It is an upper bound of a word model's perplexity, since other ways to
spell the same words in tokens are left out.
"""

bits_per_byte = Metric("bits_per_byte", _bytes, _bits, "lower")
"""Bits of the reply's tokens over the bytes of the reply as UTF-8: comparable across tokenizers.

The closing token counts on neither side. The blank in front of a reply belongs to the first token,
but it is not counted as a byte.
"""

LIKELIHOOD = (ppl, ppl_without_end, ppl_per_word, bits_per_byte)
