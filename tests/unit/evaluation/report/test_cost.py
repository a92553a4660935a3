"""What training cost: the runs' own counts, in Table 1's order, readable in few columns."""

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.report.cells import compact
from pipeline.evaluation.report.cost import cost_rows
from pipeline.evaluation.schemas.base import parse
from pipeline.model.files.variant_record import VariantFile
from tests.support.training_runs import content, run


def test_every_column_is_the_runs_own_count():
    (row,) = cost_rows({"in_place": [run()]})
    assert (row.title, row.steps, row.best_step) == ("In-place MAMLviaPP", 120, 90)
    assert (row.outer_replies, row.replies) == (3341, 6684)
    assert (row.tokens, row.operations) == (212_000, 462 * 10**9)
    assert (row.trained_parameters, row.all_parameters) == (8_900, 199_000)


def test_seeds_are_averaged():
    (row,) = cost_rows({"in_place": [run(steps=100, tokens=10), run(steps=50, tokens=30, seed=1)]})
    assert (row.steps, row.tokens, row.replies) == (75, 20, 6684)


def test_the_papers_order_then_the_others_and_none_without_a_run():
    runs = {name: [run()] for name in ("in_place_tuned", "extra_place", "reinit")}
    titles = [row.title for row in cost_rows(runs | {"transfer": []})]
    assert titles == ["REINIT GPT-2", "Extra-place MAMLviaPP", "in_place_tuned"]


def test_another_versions_record_is_refused_by_name():
    broken = content()
    del broken["tokens"]
    with pytest.raises(DataError, match=r"x/variant.json: tokens: not as its stage"):
        parse(VariantFile, broken, "x/variant.json")


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (7.4, "7"),
        (999, "999"),
        (999.6, "1.00 k"),
        (1000, "1.00 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (124_439_808, "124 M"),
        (462 * 10**9, "462 G"),
        (1.5e15, "1.50 P"),
        (2.5e21, "2500 E"),
    ],
)
def test_counts_have_three_digits(number, shown):
    assert compact(number) == shown
