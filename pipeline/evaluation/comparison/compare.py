"""All paired tests of stage `compare`: of levels, and of adaptation. No torch."""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.comparison.adaptation import compare_adaptation
from pipeline.evaluation.comparison.levels import compare_levels
from pipeline.evaluation.records.headline import headline_records
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.comparison import AllTests
from pipeline.params import Claim


def compare_variants(
    records: Mapping[str, Sequence[Prediction]],
    claims: Sequence[Claim] = (),
    *,
    permutations: int,
    seed: int,
) -> AllTests:
    """Test every pair of variants.

    Args:
        records: each variant's predictions, all of them.
        claims: pairs that are a family of their own.
        permutations: sign flips, and bootstrap samples of the intervals.
        seed: of both.

    Raises:
        DataError: as `headline_records` and `compare_levels`.
    """
    headline = {name: headline_records(predictions) for name, predictions in records.items()}
    levels = compare_levels(headline, claims, permutations=permutations, seed=seed)
    adaptation = compare_adaptation(records, claims, permutations=permutations, seed=seed)
    return AllTests(**levels.set_fields(), adaptation=adaptation)
