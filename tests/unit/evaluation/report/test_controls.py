"""The persona text's worth: shown where it was measured, nothing where it was not."""

from types import SimpleNamespace as Of

from pipeline.evaluation.report.page.controls import recovered_by_k, text_worth
from pipeline.evaluation.report.tables import in_context, short_prompts
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


def prompts(fitted):
    by_k = {k: Of(mean_k=mean, behind_fine_tuning=nats(0.5)) for k, mean in fitted.items()}
    return {"in_place": Of(k_shot=Of(in_context=by_k))}


def test_a_prompt_says_how_many_dialogues_fit_and_is_shown_once():
    """At K = 1 nothing fits; at K = 8 no more than at 5."""
    found = prompts({8: 4.96, 5: 4.96, 3: 2.08, 1: 0.0})
    cells = [row.cells for row in in_context(found).rows]
    assert [one for one, _ in cells] == ["3 (2.1 fit)", "5 (4.96 fit)"]
    assert {behind for _, behind in cells} == {"0.500 [0.375, 0.625]"}
    assert short_prompts(found)
    whole = prompts({1: 1.0, 3: 3.0})
    assert [row.cells[0] for row in in_context(whole).rows] == ["1", "3"]
    assert not short_prompts(whole)


def test_what_was_not_measured_has_no_table():
    found = {"in_place": parse(Details, content(), "x.json")}
    assert not text_worth(found)
    assert not recovered_by_k(found)
    assert not in_context(found)
    assert not short_prompts(found)
