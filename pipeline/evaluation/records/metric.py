"""What a metric is: a function of sums over replies. Also the NLL per token. No torch.

So an interval over personas needs only the sums of each persona (`statistics/bootstrap.py`). Sums
are exactly rounded, so they do not depend on the order of the records.

Dimension: c, what one reply adds to the sums (a numerator and a denominator).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.evaluation.records.exact import exact
from pipeline.evaluation.records.prediction import Prediction


Array = NDArray[np.float64]
Needs = Literal[
    "candidate_nll",
    "candidate_nll_unconditional",
    "candidate_head",
    "response",
    "greedy",
    "cache_nll",
    "persona",
]


@dataclass(frozen=True)
class Metric:
    """A number that is computed from sums over replies; call it on the records of one setting."""

    name: str
    counts: Callable[[Prediction], tuple[float, ...]]  # what one reply adds, c numbers
    combine: Callable[[Array], Array]  # from sums, (..., c), to the metric, (...)
    better: Literal["lower", "higher"]
    needs: Needs | None = None  # a field that may be null, if the metric reads one

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
        if not self.is_defined(records):
            raise self.lacking(len(records))
        return np.array([exact(column) for column in zip(*map(self.counts, records), strict=True)])

    def is_defined(self, records: Sequence[Prediction]) -> bool:
        """Say whether the records hold what the metric needs.

        Raises:
            DataError: only some records hold it, so the metric would leave replies out.
        """
        return self.defined(len(records), self.null_in(records))

    def null_in(self, records: Iterable[Prediction]) -> int:
        """Return in how many records the field that the metric needs is null."""
        if self.needs is None:
            return 0
        return sum(getattr(record, self.needs) is None for record in records)

    def defined(self, size: int, null: int) -> bool:
        """Say what `is_defined` does of `size` records, of which `null` lack what it needs.

        Raises:
            DataError: as `is_defined`.
        """
        if 0 < null < size:
            raise DataError(
                f"{self.name}: `{self.needs}` is null in {null} of {size} records of "
                "one setting; run stage finetune again"
            )
        return size > null

    def lacking(self, size: int) -> DataError:
        """Return the error where none of `size` records holds what the metric needs."""
        lack = f"none of {size} records has" if size else "no records to have"
        return DataError(f"{self.name} cannot be computed: {lack} `{self.needs or 'nll'}`")


def finite(name: str, value: Array | float) -> float:
    """Return `value` as a float.

    Raises:
        DataError: `value` is infinite or not a number. Fine-tuning that diverged gives that, and
            so does a division by 0.
    """
    if not np.isfinite(value):
        raise DataError(
            f"{name} is {float(value)}: fine-tuning diverged (lower finetune.lr), or all replies "
            "are empty"
        )
    return float(value)


def ratio(sums: Array) -> Array:
    """Return numerator over denominator, (..., 2) to (...)."""
    with np.errstate(divide="ignore", invalid="ignore"):  # `finite` says it in words
        return np.asarray(sums[..., 0] / sums[..., 1])


def percent(sums: Array) -> Array:
    """Return 100 times the ratio."""
    return 100 * ratio(sums)


def exp_ratio(sums: Array) -> Array:
    """Return exp of the ratio; infinite where that is too large for a float."""
    with np.errstate(over="ignore"):  # `finite` says it in words
        return np.exp(ratio(sums))


def _nats_and_tokens(record: Prediction) -> tuple[float, float]:
    """Return nats and tokens of a reply; both count the closing token."""
    return record.nll + record.nll_end, record.num_tokens + 1


nats_per_token = Metric("nats_per_token", _nats_and_tokens, ratio, "lower")
"""Mean negative log-likelihood of reply tokens and closing tokens, over all replies together.

The opening mark is given, so it is not counted.
"""
