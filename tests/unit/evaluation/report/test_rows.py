"""The tables: the paper's numbers where they belong, ours beside them, no gain sold as personal."""

import json
import re
import subprocess
import sys
from math import exp

import pytest

from pipeline.errors import DataError
from pipeline.evaluation.metrics import all as metrics
from pipeline.evaluation.report import rows
from pipeline.evaluation.report.formats import TABLE_1
from pipeline.evaluation.report.rows import adaptation_rows, floor_rows, table_1
from pipeline.evaluation.schemas.base import Estimate, parse
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.floors import Floors
from pipeline.evaluation.scoring.details import score_variant
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from tests.support.prediction_builder import full
from tests.unit.evaluation.report.test_cost import content as a_run
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


def interval(value: float, half: float = 0.125) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def content(
    gain: float = 0.5,
    swap_gain: float | None = 0.125,
    epoch: int = 3,
    verdict: str = "personal",
    **scores,
):
    found = {"ppl": interval(20.0), "hits_at_1": interval(30.0), "f1": interval(10.0)} | scores
    swapped = swap_gain is not None
    return {
        "headline": {"split": "test", "protocol": "leave_one_out", "epoch": epoch},
        "counts": {"personas": 16, "records": 223, "dialogues_over_context": 0, "seeds": [0]},
        "metrics": found,
        "macro": {},
        "before_adaptation": {"ppl": interval(40.0), "hits_at_1": None, "f1": None},
        "change": {},
        "f1_by_sample": [10.0],
        "k_shot": {"personas": 0, "personas_left_out": 0, "points": {}, "in_context": None},
        "epochs": {},
        "adaptation": verdict,
        "gain": interval(gain),
        "swap_gain": interval(swap_gain) if swapped else None,
        "swap_gap": interval(gain - swap_gain) if swapped else None,
        "personal_share": None,
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


FLOORS = {
    "counts": {"personas": 1, "replies": 3},
    "random": {"hits_at_1": 5.0},
    "tfidf": {"hits_at_1": 25},
    "tfidf_persona": {"hits_at_1": 12.5},
    "tfidf_partner": {"hits_at_1": 7.5},
    "constant_reply": {"f1": 10.5, "reply": "i like"},
    "frequent_words": {"f1": 11.5, "reply": "i you"},
    "unigram": {"ppl": 300},
    "oracle": {"ppl": 5.25},
}


def floors(**values):
    return parse(Floors, FLOORS | values, "floors.json")


def shown(rows):
    return [
        (row.kind, row.title, metric, value.value)
        for row in rows
        for metric, value in row.ours.items()
        if value is not None
    ]


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
    (row,) = adaptation_rows({"transfer": parse(Details, found, "x.json")})
    assert (row.epoch, row.gain.value, row.swap_gap.value) == (1, 0.75, 0.0)
    assert row.before.value == pytest.approx(exp(7 / 4))
    assert row.adaptation == "mostly not personal"
    scores = table_1({"transfer": parse(Details, found, "x.json")})[1].ours
    assert scores["ppl"].value == pytest.approx(exp(1.0))
    assert (scores["hits_at_1"].value, scores["f1"].value) == (100.0, 100.0)


def test_a_file_of_another_shape_is_refused_by_name():
    broken = content()
    del broken["gain"]
    with pytest.raises(DataError, match=r"metrics/details/x.json: gain: not as its stage"):
        parse(Details, broken, "metrics/details/x.json")


@pytest.fixture
def run(tmp_path):
    """Run `python -m stages.table` where `in_place` and `transfer` are scored."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    folder = tmp_path / "metrics/details"
    folder.mkdir(parents=True)

    def run_table(columns: int = 0, **files) -> subprocess.CompletedProcess[str]:
        terminal = {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": str(columns)}
        env = {"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONIOENCODING": "utf-8"}
        for name, value in files.items():
            (folder / f"{name}.json").write_text(json.dumps(value))
        return subprocess.run(
            [sys.executable, "-m", "stages.table"],
            cwd=tmp_path,
            env=env | (terminal if columns else {}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return run_table


def test_the_terminal_shows_both_tables_and_that_they_are_not_comparable(run):
    done = run(
        in_place=content(ppl=interval(9.0)),
        transfer=content(swap_gain=0.375, verdict="mostly not personal"),
        floors=FLOORS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    in_place = [line for line in lines if line.startswith("In-place MAMLviaPP")]
    assert in_place[0] == "In-place MAMLviaPP 9.00 (8.88, 9.12) 14.1 " + (
        "30.0 (29.9, 30.1) 13.2 10.0 (9.9, 10.1) 15.93"
    )
    assert "Unigrams 300.00 – – – – –" in lines
    assert "the two are not comparable" in done.stdout
    assert in_place[1] == "In-place MAMLviaPP 40.00 (39.88, 40.12) " + (
        "0.500 (0.375, 0.625) 0.125 (0.000, 0.250) 0.375 (0.250, 0.500)"
    )
    remarks = [line for line in lines if line.startswith("epoch 3")]
    assert remarks == ["epoch 3: mostly not personal", "epoch 3: personal"]


@pytest.mark.parametrize("columns", [72, 80])
def test_on_a_narrow_terminal_no_number_is_cut(run, columns):
    done = run(columns, in_place=content(ppl=interval(1234.5)))
    plain = re.sub(r"\x1b\[\d*m", "", done.stdout)
    table_only = [line for line in plain.splitlines() if line.startswith(" ")]
    assert max(map(len, table_only)) <= columns
    for whole in ("1234.50", "(1234.38, 1234.62)", "paper 14.1", "(29.9, 30.1)", "paper 13.2"):
        assert whole in plain
    assert "…" not in plain


def test_costs_are_read_from_the_training_runs(run, tmp_path):
    """Of every seed of params.yaml, for what is scored; without models/ it says where they are."""
    assert "What training cost stands in models/" in run(in_place=content()).stdout
    for name, steps in (("in_place", 77), ("reinit", 88)):
        folder = tmp_path / "models" / name / "seed-0"
        folder.mkdir(parents=True)
        (folder / "variant.json").write_text(json.dumps(a_run(steps=steps)))
    shown = run(in_place=content()).stdout
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[-2] == "In-place MAMLviaPP 77 (90) 3341 / 6684 212 k 462 G 8.90 k / 199 k"
    assert "88 (90)" not in shown


def test_floors_may_be_missing(run):
    done = run(in_place=content())
    assert done.returncode == 0
    assert "Random ranking" not in done.stdout


def test_with_nothing_scored_it_says_what_to_run(run):
    done = run()
    assert done.returncode == 1
    assert "stages.score" in done.stderr
    assert "Traceback" not in done.stderr
