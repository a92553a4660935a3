"""All paired tests of stage `compare`: of levels, of adaptation, and at each K. No torch."""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.comparison.adaptation import compare_adaptation
from pipeline.evaluation.comparison.at_k import compare_at_k
from pipeline.evaluation.comparison.levels import compare_levels
from pipeline.evaluation.records.headline import headline_records
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.comparison import AllTests
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import Claim
from pipeline.progress import Advance, untold


def compare_variants(
    records: Mapping[str, Sequence[Prediction]],
    claims: Sequence[Claim] = (),
    *,
    permutations: int,
    seed: int,
    margin: float | None = None,
    advance: Advance = untold,
) -> AllTests:
    """Test every pair of variants.

    Args:
        records: each variant's predictions, all of them.
        claims: pairs that are a family of their own.
        permutations: sign flips, and bootstrap samples of the intervals.
        seed: of both.
        margin: of equivalence, nats per token; null: not tested.
        advance: told of each pair whose levels are tested, which takes longest.

    Raises:
        DataError: as `headline_records` and `compare_levels`.
    """
    headline = {name: headline_records(predictions) for name, predictions in records.items()}
    draws = {"permutations": permutations, "seed": seed}
    levels = compare_levels(headline, claims, **draws, margin=margin, advance=advance)
    adaptation = compare_adaptation(records, claims, **draws, margin=margin)
    at_k = compare_at_k(records, claims, Bootstrap(permutations, seed), margin)
    return AllTests(**levels.set_fields(), adaptation=adaptation, at_k=at_k)
