"""Published numbers: what is quoted, from where, and that wrong data are refused."""

from math import isnan

import pytest
from ruamel.yaml import YAML

from pipeline.errors import DataError
from pipeline.evaluation.report.published import PUBLISHED, published, quoted_on, read_published


ROWS = read_published()


def rows(**values):
    return [row for row in ROWS if all(getattr(row, key) == v for key, v in values.items())]


def one(title, **values):
    (row,) = rows(title=title, **values)
    return row.ppl, row.hits_at_1, row.f1


def test_table_1_is_printed_as_the_paper_prints_it_and_the_source_as_it_does():
    """82.2 in the paper, 82.1 by its authors."""
    assert one("TransferTransfo", table_1=True) == (17.51, 82.2, 19.09)
    assert one("TransferTransfo", table_1=False, split="valid") == (17.51, 82.1, 19.09)
    assert one("TransferTransfo", split="hidden test") == (16.28, 80.7, 19.5)


@pytest.mark.parametrize(
    ("title", "scores"),
    [
        ("P² Bot", (15.12, 81.9, 19.77)),
        ("TransferTransfo, public code", (20.5, 79.0, 16.5)),
        ("Lost in Conversation", (None, 17.3, 17.79)),
        ("ADAPT Centre", (22.57, None, 20.3)),
        ("Seq2seq with attention", (35.07, 12.5, 16.82)),
        ("Key-value profile memory", (None, 55.1, 11.72)),
        ("Poly-encoder", (None, 89.4, None)),
        ("GPT-2 small, fine-tuned", (18.10, None, 11.83)),
        ("PAA", (14.03, None, 17.36)),
    ],
)
def test_reports_on_convai2_valid_are_copied_right(title, scores):
    (row,) = [row for row in quoted_on("ConvAI2", "valid") if row.title == title]
    assert (row.ppl, row.hits_at_1, row.f1) == scores


def test_only_the_papers_own_systems_and_pamls_were_fine_tuned_at_test():
    tuned = rows(fine_tuned_at_test=True)
    assert {row.corpus for row in tuned} == {"Persona-chat"}
    assert {row.title for row in tuned if not row.table_1} == {"PAML, run again by a user"}
    assert all(row.split == "test" for row in rows(corpus="Persona-chat"))
    assert not any(row.fine_tuned_at_test for row in rows(corpus="ConvAI2"))


def test_every_row_says_where_it_is_quoted_from_and_no_number_is_odd():
    for row in ROWS:
        assert row.quoted_from.strip()
        assert row.title.endswith("(not in the paper)") or any((row.ppl, row.hits_at_1, row.f1))
        assert not any(isnan(v) for v in (row.ppl, row.hits_at_1, row.f1) if v is not None)
    assert len({(row.title, row.split, row.personas, row.table_1) for row in ROWS}) == len(ROWS)


def test_table_1_and_the_systems_own_reports_do_not_mix():
    assert len(published()) == 10
    assert not any(row.table_1 for row in quoted_on("ConvAI2", "valid"))
    assert {row.title for row in quoted_on("ConvAI2", "hidden test")} == {
        "TransferTransfo",
        "Lost in Conversation",
        "ADAPT Centre",
        "Seq2seq with attention",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("split", "train"), ("f1", 190), ("ppl", 0.5), ("quoted_from", ""), ("tuned", True)],
)
def test_wrong_rows_are_refused_by_row_and_field(tmp_path, field, value):
    yaml = YAML(typ="safe", pure=True)
    content = yaml.load(PUBLISHED.read_text(encoding="utf-8"))
    content[3][field] = value
    path = tmp_path / "published.yaml"
    with path.open("w") as file:
        yaml.dump(content, file)
    with pytest.raises(DataError, match=rf"published.yaml: 3\.{field}"):
        read_published(path)
