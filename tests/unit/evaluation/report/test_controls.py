"""The persona text's worth: shown where it was measured, nothing where it was not."""

from types import SimpleNamespace as Of

from pipeline.evaluation.report.page.controls import recovered_by_k, text_worth
from pipeline.evaluation.schemas.base import Estimate, parse
from pipeline.evaluation.schemas.details import Details
from tests.support.details_builder import content


def nats(value):
    return Estimate(value=value, low=value - 0.125, high=value + 0.125)


RECOVERED = Of(worth=nats(0.5), share=nats(0.25))


def test_worth_and_share_stand_in_their_columns():
    worth = Of(before=nats(0.75), after=nats(0.375))
    texts = Of(worth=worth, stranger=None, read="read", recovered=RECOVERED)
    table = text_worth({"in_place": Of(texts=texts)})
    (row,) = table.rows
    assert dict(zip(table.headings[1:], row.cells, strict=False))["own text over none"] == (
        "0.750 [0.625, 0.875]"
    )
    numbers = ["0.750 [0.625, 0.875]", "0.375 [0.250, 0.500]", "–", "–", "read"]
    assert row.cells == [*numbers, "0.500 [0.375, 0.625]", "0.25 [0.12, 0.38]"]
    assert len(table.headings) == 1 + len(row.cells)


def test_each_k_has_a_row():
    shots = Of(recovered={8: RECOVERED, 1: Of(worth=nats(0.5), share=None)})
    rows = recovered_by_k({"in_place": Of(k_shot=shots)}).rows
    assert [(row.cells[0], row.cells[2]) for row in rows] == [
        ("1", "–"),
        ("8", "0.25 [0.12, 0.38]"),
    ]


def test_what_was_not_measured_has_no_table():
    found = {"in_place": parse(Details, content(), "x.json")}
    assert not text_worth(found)
    assert not recovered_by_k(found)
