"""A seal that was deleted together with an edit: no reader takes the file."""

import json

import pytest

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.kept.keep import keep
from pipeline.strict_json import SEAL, opened
from stages.commands.table import table
from stages.report import report
from tests.support.whole_run import ask, project, refused


__all__ = ["project"]


def unseal(path):
    """Delete the seal, as somebody who edits the file may do."""
    content = json.loads(path.read_text())
    del content[SEAL]
    artifacts.write_json(path, content)


@pytest.mark.parametrize("command", [report, table, "compare", "keep", "results"])
def test_details(project, command):
    unseal(artifacts.details_file("in_place"))
    refused(
        lambda: ask(project, command),
        f"metrics/details/in_place.json: {SEAL} is missing, ",
        "; run `python -m stages.score in_place` (or `dvc repro`)",
    )


@pytest.mark.parametrize(
    ("file", "stage", "commands"),
    [
        (artifacts.FLOORS, "floors", [report, table, "keep", "results"]),
        (artifacts.COMPARISON, "compare", [report, "keep", "results"]),
    ],
)
def test_floors_and_comparison(project, file, stage, commands):
    unseal(file)
    for command in commands:
        refused(
            lambda command=command: ask(project, command),
            f"{file}: {SEAL} is missing, ",
            f"; run `python -m stages.{stage}` (or `dvc repro`)",
        )


def test_files_of_a_run_before_seals_are_kept(project):
    for path in artifacts.DETAILS.glob("*.json"):
        content = json.loads(path.read_text())
        content["made_from"].pop("made_with", None)
        del content[SEAL]
        artifacts.write_json(path, content)
    keep(project, project / "studies/mine")


def test_which_objects_need_one():
    old = {"made_from": {"params": {}}}
    assert opened(old, "x.json", "run it") == old
    new = {"made_from": {"made_with": {}}}
    with pytest.raises(DataError, match=r"^x.json: content_sha256 is missing, .*; run it$"):
        opened(new, "x.json", "run it")
    with pytest.raises(DataError, match="is missing"):
        opened(old, "x.json", "run it", required=True)
