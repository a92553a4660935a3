"""Which metrics there are: Table 1's three, and all. No torch.

Each is defined, and says what it counts, in `likelihood`, `candidates` or `responses`; `diversity`
has what is no function of sums.
"""

from pipeline.evaluation.metrics.generation import RESPONSES, f1, greedy_f1
from pipeline.evaluation.metrics.likelihood import LIKELIHOOD, bits_per_byte, ppl, ppl_per_word
from pipeline.evaluation.metrics.ranking import (
    CANDIDATES,
    candidates_cleaned_away,
    hits_at_1,
    hits_at_1_by_head,
    mean_rank,
    mrr,
)


__all__ = [
    "ALL",
    "TABLE_1",
    "bits_per_byte",
    "f1",
    "greedy_f1",
    "hits_at_1",
    "hits_at_1_by_head",
    "mean_rank",
    "mrr",
    "ppl",
    "ppl_per_word",
]

TABLE_1 = (ppl, hits_at_1, f1)
ALL = (*LIKELIHOOD, *CANDIDATES, candidates_cleaned_away, *RESPONSES)
