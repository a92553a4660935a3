"""A number that was edited by hand after the run: noticed by every reader."""

import json
import re

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.keep import keep
from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.schemas.base import Estimate, parse
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.evaluation.schemas.details import Details, Table1Scores
from pipeline.evaluation.schemas.floors import Floors
from pipeline.strict_json import SEAL, opened, sealed
from stages.commands.table import table
from stages.floors import floors
from stages.report import report
from tests.support.details_builder import content
from tests.support.details_builder import floors as floors_of
from tests.support.whole_run import ask, project, refused


__all__ = ["project"]


def edited(path, old, new):
    """Replace the first such text, as somebody with an editor does."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def first_value(path):
    return re.search(r'"value": [0-9.]+', path.read_text())[0]


@pytest.mark.parametrize("command", [report, table, "keep", "results"])
def test_a_number_of_the_details(project, command):
    path = artifacts.details_file("in_place")
    edited(path, first_value(path), '"value": 1.5')
    refused(lambda: ask(project, command), "details/in_place.json: edited or damaged since it was")


@pytest.mark.parametrize("command", [report, "keep", "results"])
def test_a_p_value(project, command):
    edited(artifacts.COMPARISON, '"p": ', '"p": 0')
    refused(lambda: ask(project, command), "comparison.json", "")


def test_the_line_names_the_field_the_digests_and_the_command(project):
    path = artifacts.details_file("transfer")
    edited(path, first_value(path), '"value": 1.5')
    refused(
        table,
        "the SHA-256 of its content is ",
        f"its {SEAL} says ",
        "run `python -m stages.score transfer` (or `dvc repro`)",
    )


@pytest.mark.parametrize("command", [report, table, "keep", "results"])
def test_a_number_of_table_1(project, command):
    path = artifacts.metrics_file("in_place")
    was = json.loads(path.read_text())["ppl"]
    artifacts.write_json(path, json.loads(path.read_text()) | {"ppl": 12.5})
    refused(
        lambda: ask(project, command),
        f"metrics/in_place.json: ppl is 12.5, but metrics/details/in_place.json has {was!r}; ",
        "run `python -m stages.score in_place`",
    )


def test_floors_are_sealed(project, monkeypatch):
    sealed_ones = []
    monkeypatch.setattr(artifacts, "write_sealed", lambda path, _: sealed_ones.append(path))
    monkeypatch.setattr("stages.floors.measure_floors", lambda *_: floors_of())
    monkeypatch.setattr("stages.floors.read_tokens", lambda _: None)
    with pytest.raises(TypeError):  # those of the builder have a `made_from` already
        floors()
    plain = artifacts.read_json(artifacts.FLOORS, made_by="floors")
    artifacts.write_json(artifacts.FLOORS, sealed(plain))
    report()
    edited(artifacts.FLOORS, "5.25", "6.25")
    refused(report, "floors.json: edited or damaged", "run `python -m stages.floors`")


def test_a_layout_is_no_edit(project):
    path = artifacts.details_file("in_place")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=7))
    table()


def test_a_kept_study_is_sealed_too(project):
    folder = project / "studies/mine"
    keep(project, folder)
    study = Study("mine", folder)
    assert study.details
    assert study.comparison
    assert study.kshot
    path = folder / "metrics/in_place.json"
    edited(path, first_value(path), '"value": 2')
    refused(lambda: Study("mine", folder).details, "metrics/in_place.json: edited or damaged")
    keep(project, folder)
    with (folder / "kshot/transfer.csv").open("a") as file:
        file.write("9" + ",1" * 10 + "\n")
    refused(lambda: Study("mine", folder).kshot, "kshot/transfer.csv: edited, or of another run")


def test_a_seal():
    value = {"b": {2: 1.5}, "a": ["é", None]}
    there = json.loads(json.dumps(sealed(value), sort_keys=True, indent=1))  # another layout
    assert opened(there, "x.json", "run it") == {"b": {"2": 1.5}, "a": ["é", None]}
    assert opened({"a": 1}, "x.json", "run it") == {"a": 1}
    with pytest.raises(DataError, match=r"x.json: edited .*; run it"):
        opened(there | {"a": []}, "x.json", "run it")


HALF = {"low": 1.0, "high": 2.0}


@pytest.mark.parametrize(
    ("schema", "values", "said"),
    [
        (
            Details,
            content(ppl=HALF | {"value": 3.0}),
            "metrics.ppl: .*1 to 2 does not hold the value 3",
        ),
        (Details, content(ppl={"value": 0.5, "low": None, "high": None}), "ppl is 0.5, 1 or more"),
        (
            Details,
            content(hits_at_1={"value": 101, "low": None, "high": None}),
            "hits_at_1 is 101, 0 to 100",
        ),
        (Details, content(f1={"value": -1, "low": None, "high": None}), "f1 is -1, 0 to 100"),
        (Table1Scores, {"f1": 5.0, "hits_at_1": 120.0, "ppl": 5.0}, "hits_at_1: .*120, 0 to 100"),
        (Table1Scores, {"f1": 5.0, "hits_at_1": 20.0, "ppl": 0.5}, "ppl: .*0.5, 1 or more"),
        (Estimate, {"value": 1.5, "low": 2.0, "high": 1.0}, "2 to 1 does not hold the value 1.5"),
    ],
)
def test_bounds(schema, values, said):
    with pytest.raises(DataError, match=f"^x.json: .*{said}.*; run it again$"):
        parse(schema, values, "x.json")


def test_counts_are_not_negative():
    values = content()
    values["counts"]["personas"] = -1
    with pytest.raises(
        DataError, match=r"counts.personas: .*-1 found, .*greater than or equal to 0"
    ):
        parse(Details, values, "x.json")


def test_floors_have_bounds(project):
    values = json.loads(artifacts.FLOORS.read_text())
    with pytest.raises(DataError, match=r"tfidf.hits_at_1: .*130, 0 to 100"):
        parse(Floors, values | {"tfidf": {"hits_at_1": 130}}, "x.json")
    tests = json.loads(artifacts.COMPARISON.read_text())
    del tests[SEAL]
    tests["tests"][0]["p_holm"] = 1.5
    with pytest.raises(DataError, match=r"tests.0.p_holm: .*1.5 found, 0 to 1 was expected"):
        parse(Comparison, tests, "x.json")
