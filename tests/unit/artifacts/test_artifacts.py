"""Records as files: a line that is no record is named, whatever its bytes."""

import json

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError
from pipeline.persona.task.record import Turn
from tests.wiring.closure import ROOT


TURN = Turn(partner="hi", reply="é")


def test_records_are_read_as_written(tmp_path):
    assert artifacts.write_records(tmp_path / "x", [TURN, TURN]) == 2
    assert artifacts.read_records(tmp_path / "x", Turn, made_by="tasks") == [TURN, TURN]


@pytest.mark.parametrize("line", [b"{}", b'{"partner": "\xff", "reply": "a"}', b"\xff\xfe", b""])
def test_a_line_that_is_no_record_is_named(tmp_path, line):
    artifacts.write_records(tmp_path / "x", [TURN])
    with (tmp_path / "x").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(DataError, match=r"x:2: not a valid Turn"):
        artifacts.read_records(tmp_path / "x", Turn, made_by="tasks")


def test_a_missing_file_names_the_stage(tmp_path):
    with pytest.raises(MissingFileError, match=r"x: not found; run `python -m stages.tasks`"):
        artifacts.read_records(tmp_path / "x", Turn, made_by="tasks")


NESTED = {"b": {"value": 1.5, "low": None}, "a": [[1, 2], []], "é": "x", 3: True}


def test_json_keeps_what_does_not_nest_on_one_line(tmp_path):
    artifacts.write_json(tmp_path / "x", {key: NESTED[key] for key in ("b", "a", "é")})
    assert (tmp_path / "x").read_text().splitlines() == [
        "{",
        '  "a": [',
        "    [1, 2],",
        "    []",
        "  ],",
        '  "b": {"low": null, "value": 1.5},',
        '  "é": "x"',
        "}",
    ]


@pytest.mark.parametrize("value", [NESTED["b"], {}, {"a": {}}, [], {2: {"a": 1}, 10: None}])
def test_json_is_read_as_the_standard_writer_has_it(value):
    expected = json.loads(json.dumps(value, sort_keys=True))
    assert json.loads(artifacts.json_text(value)) == expected
    assert list(json.loads(artifacts.json_text(value))) == list(expected)


@pytest.mark.parametrize("value", [float("nan"), {"a": {"b": float("inf")}}])
def test_json_holds_no_nan(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        artifacts.json_text(value)


@pytest.mark.parametrize("folder", ["metrics", "studies"])
def test_committed_json_is_written_in_this_way(folder):
    for path in (ROOT / folder).rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert text == artifacts.json_text(json.loads(text)), path
