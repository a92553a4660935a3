"""The lists of metrics: Table 1's three, and all. No torch.

`likelihood`, `ranking` and `generation` define them and say what they count. `diversity` has
distinct-n, which is no function of sums.
"""

from pipeline.evaluation.metrics.generation import GENERATION, f1, greedy_f1
from pipeline.evaluation.metrics.likelihood import LIKELIHOOD, bits_per_byte, ppl, ppl_per_word
from pipeline.evaluation.metrics.ranking import (
    RANKING,
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
ALL = (*LIKELIHOOD, *RANKING, candidates_cleaned_away, *GENERATION)
