"""A metric's sums over the records of one setting: all that an estimate of it needs. No torch.

Dimensions: p, personas; q, training seeds; c, a metric's sums.
"""

from dataclasses import dataclass

from pipeline.evaluation.records.metric import Array, Metric


@dataclass(frozen=True)
class MetricSums:
    """Sums over all records, over each persona's, and over each persona's of each seed.

    Each is exactly rounded by itself: the total is not the sum of the rounded parts.
    """

    metric: Metric
    total: Array  # (c,)
    by_persona: Array  # (p, c), personas in the order of their names
    by_cell: Array | None  # (p, q, c), seeds increasing; null: there is a single seed
