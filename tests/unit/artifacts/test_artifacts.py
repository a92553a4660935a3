"""Records as files: a line that is no record is named, whatever its bytes."""

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError
from pipeline.persona.task import Turn


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
