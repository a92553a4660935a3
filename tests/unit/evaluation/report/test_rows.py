"""The tables: the paper's numbers where they belong, ours beside them, no gain sold as personal."""

import json
from math import exp

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.metrics import all as metrics
from pipeline.evaluation.report import rows
from pipeline.evaluation.report.formats import TABLE_1
from pipeline.evaluation.report.rows import adaptation_rows, floor_rows, table_1
from pipeline.evaluation.schemas.base import Estimate, parse
from pipeline.evaluation.schemas.details import AllScores, Details
from pipeline.evaluation.scoring.details import score_variant
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support.details_builder import content, floors, interval, shown
from tests.support.prediction_builder import full
from tests.wiring.closure import ROOT


TABLE_1_OF_THE_PAPER = {
    "REINIT GPT-2": (72.36, 7.8, 8.21),
    "Transfer Pre-trained GPT-2": (27.35, 10.9, 11.32),
    "Adapters, normal training (not in the paper)": (None, None, None),
    "REINIT GPT-2 + MAML": (57.79, 10.1, 10.41),
    "In-place MAMLviaPP": (14.10, 13.2, 15.93),
    "Extra-place MAMLviaPP without fixing φ": (23.79, 11.7, 12.55),
    "Extra-place MAMLviaPP": (13.21, 16.4, 19.38),
    "TransferTransfo": (17.51, 82.2, 19.09),
    "P² Bot": (15.12, 81.9, 19.77),
    "P² Bot without next-utterance prediction": (None, 17.6, 18.11),
}


def details(**values):
    return parse(Details, content(**values), "metrics/details/x.json")


def test_the_papers_table_is_copied_right():
    found = {row.title: tuple(row.paper[metric] for metric in TABLE_1) for row in table_1({})}
    assert found == TABLE_1_OF_THE_PAPER
    assert list(found) == list(TABLE_1_OF_THE_PAPER)


def test_the_columns_are_table_1s_metrics():
    assert [metric.name for metric in metrics.TABLE_1] == list(TABLE_1)


def test_quoted_systems_say_that_their_setting_differs():
    quoted = [row for row in table_1({}) if row.kind == "quoted"]
    assert [row.title.split()[0] for row in quoted] == ["TransferTransfo", "P²", "P²"]
    assert all("quoted" in row.note and "ConvAI2" in row.note for row in quoted)
    assert "revised" in quoted[2].note


def test_every_variant_of_the_presets_has_its_title():
    """But for what P² Bot's self-play starts from."""
    from pipeline.params import read_yaml

    variants = read_yaml(ROOT / "presets/embedded.yaml")["variants"]
    assert list(rows.titles()) == [name for name in variants if not name.endswith("_transmitter")]


def test_our_scores_stand_beside_the_papers_of_the_same_system():
    rows = {row.title: row for row in table_1({"in_place": details(ppl=interval(9.0))})}
    ours = rows["In-place MAMLviaPP"]
    assert ours.ours["ppl"] == Estimate(value=9.0, low=8.875, high=9.125)
    assert ours.paper["ppl"] == 14.10
    assert rows["Extra-place MAMLviaPP"].ours == {"ppl": None, "hits_at_1": None, "f1": None}


def test_a_variant_unknown_to_the_paper_stands_under_its_own_name_before_quoted_ones():
    rows = table_1({"mine": details()})
    place = [row.title for row in rows].index("mine")
    assert rows[place].paper == {"ppl": None, "hits_at_1": None, "f1": None}
    assert [row.kind for row in rows] == ["variant"] * 8 + ["quoted"] * 3


def test_scores_that_were_not_measured_are_no_numbers():
    row = table_1({"transfer": details(hits_at_1=None)})[1]
    assert row.ours["hits_at_1"] is None
    assert row.ours["f1"] == Estimate(value=10.0, low=9.875, high=10.125)


def test_floors_then_the_oracle_each_in_its_own_column():
    assert shown(floor_rows(floors())) == [
        ("floor", "Random ranking", "hits_at_1", 5.0),
        ("floor", "TF-IDF ranker: persona and partner", "hits_at_1", 25.0),
        ("floor", "TF-IDF ranker: persona", "hits_at_1", 12.5),
        ("floor", "TF-IDF ranker: partner", "hits_at_1", 7.5),
        ("floor", "Constant reply", "f1", 10.5),
        ("floor", "Frequent words", "f1", 11.5),
        ("floor", "Unigrams", "ppl", 300.0),
        ("oracle", "The grammar itself", "ppl", 5.25),
    ]


def test_real_data_has_no_oracle():
    assert "oracle" not in {row.kind for row in floor_rows(floors(oracle=None))}


def test_a_floor_that_is_no_number_is_refused():
    with pytest.raises(DataError, match=r"floors.json: unigram.ppl: not as its stage writes it"):
        floors(unigram={"ppl": "many"})


def test_who_ends_where_another_starts_is_named():
    """Perplexity 40 before everywhere but for `adapters`, which starts at 21."""
    start = {"before_adaptation": {"ppl": interval(21.0)}}
    found = {
        "adapters": parse(Details, content(ppl=interval(19.0)) | start, "x"),
        "extra_place": details(ppl=interval(22.0)),
        "in_place": details(ppl=interval(20.0)),
        "mine": details(ppl=interval(21.0)),
    }
    ahead = {row.title: row.ahead for row in adaptation_rows(found)}
    title = "Adapters, normal training (not in the paper)"
    assert ahead == {
        title: None,
        "In-place MAMLviaPP": None,
        "Extra-place MAMLviaPP": title,
        "mine": title,
    }
    alone = adaptation_rows({"mine": details(ppl=interval(50.0))})  # worse than before, but whose
    assert alone[0].ahead is None


def test_a_verdict_that_score_does_not_give_is_refused():
    with pytest.raises(DataError, match=r"x.json: adaptation: not as its stage"):
        parse(Details, content() | {"adaptation": "wonderful"}, "x.json")


def test_adaptation_rows_are_in_table_1s_order_and_hold_their_own_numbers():
    rows = adaptation_rows(
        {"mine": details(), "extra_place": details(gain=0.75), "reinit": details()}
    )
    assert [row.title for row in rows] == ["REINIT GPT-2", "Extra-place MAMLviaPP", "mine"]
    extra = rows[1]
    assert (extra.before.value, extra.epoch) == (40.0, 3)
    assert (extra.gain.value, extra.swap_gain.value, extra.swap_gap.value) == (0.75, 0.125, 0.625)


def test_what_score_writes_is_what_the_tables_read():
    """Parsed from the report itself, so that neither can rename a field alone."""
    records = [
        full(split=split, epoch=epoch, nll=nll, task_id=person, protocol=protocol)
        for person in ("p0", "p1")
        for epoch, nll in ((0, 6.0), (1, 3.0))
        for split, protocol in (
            ("valid", "leave_one_out"),
            ("test", "leave_one_out"),
            ("test", "swap"),
        )
    ]
    scores = score_variant(records, Bootstrap(samples=20, seed=0))
    found = json.loads(json.dumps(scores.details.content()))
    (row,) = adaptation_rows({"transfer": parse(AllScores, found, "x.json")})
    assert (row.epoch, row.gain.value, row.swap_gap.value) == (1, 0.75, 0.0)
    assert row.before.value == pytest.approx(exp(7 / 4))
    assert row.adaptation == "mostly not personal"
    scores = table_1({"transfer": parse(AllScores, found, "x.json")})[1].ours
    assert scores["ppl"].value == pytest.approx(exp(1.0))
    assert (scores["hits_at_1"].value, scores["f1"].value) == (100.0, 100.0)


def test_a_file_of_another_shape_is_refused_by_name():
    broken = content()
    del broken["gain"]
    with pytest.raises(DataError, match=r"metrics/details/x.json: gain: not as its stage"):
        parse(Details, broken, "metrics/details/x.json")
