"""The command `score` on damaged predictions: exit code 1, one line, nothing written."""

import json
import shutil
import subprocess

import pytest

from tests.support.commands import run_command
from tests.support.many_predictions import VARIANT, write
from tests.support.predictions_on_disk import write_predictions
from tests.unit.evaluation.scoring.test_stage import records_of
from tests.wiring.closure import ROOT


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Predictions of two persons in every protocol."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(ROOT / "presets/embedded.yaml", folder / "params.yaml")
    write(folder, 2)
    return folder


@pytest.fixture
def project(whole, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


def score(folder) -> "subprocess.CompletedProcess[str]":
    return run_command("score", VARIANT, folder=folder)


def edit(folder, change):
    path = folder / f"predictions/{VARIANT}.jsonl"
    rows = change([json.loads(line) for line in path.read_text().splitlines()])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


DAMAGES = {
    "removed": (lambda rows: rows[:100] + rows[101:], "is missing"),
    "removed, the last": (lambda rows: rows[:-1], "that finetune wrote"),
    "doubled": (lambda rows: [*rows[:100], rows[100], *rows[100:]], "is there twice"),
    "renumbered": (
        lambda rows: [*rows[:100], rows[100] | {"turn": 7}, *rows[101:]],
        "is missing",
    ),
    "out of bounds": (
        lambda rows: [*rows[:5], rows[5] | {"nll": -1e6}, *rows[6:]],
        "many.jsonl:6: not a valid Prediction: nll",
    ),
    "edited within bounds": (
        lambda rows: [*rows[:5], rows[5] | {"nll": 1.25}, *rows[6:]],
        "that finetune wrote",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_predictions_are_one_line_and_exit_code_1(project, damage):
    change, words = DAMAGES[damage]
    edit(project, change)
    refused(project, words)


def test_another_variants_file_is_one_line_and_exit_code_1(project):
    """Its records alone, then both of its files."""
    write_predictions(project, "other", records_of(0.0))
    shutil.copy(project / "predictions/other.jsonl", project / f"predictions/{VARIANT}.jsonl")
    refused(project, f"predictions/{VARIANT}.jsonl: ")
    shutil.copy(project / "predictions/other.json", project / f"predictions/{VARIANT}.json")
    refused(project, "predictions of variant 'other', not of 'many'")


def refused(folder, words):
    done = score(folder)
    lines = done.stderr.splitlines()
    assert (done.returncode, len(lines), done.stdout) == (1, 1, ""), done.stderr
    assert lines[0].startswith("error: predictions/")
    assert words in lines[0]
    assert f"`python -m stages.finetune {VARIANT}`" in lines[0]
    assert not (folder / "metrics").exists()


def test_whole_predictions_are_scored(project):
    assert score(project).returncode == 0
    assert (project / f"metrics/details/{VARIANT}.json").is_file()
