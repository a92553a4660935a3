"""Stages score, compare and floors as commands: without torch, in no time, in one line."""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys

import pytest

from tests.support.prediction_builder import full
from tests.support.predictions_on_disk import write_predictions
from tests.support.toy_project import write_params_as_predicted
from tests.wiring.closure import ROOT


def run(folder, *args, **environ):
    return subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        text=True,
        capture_output=True,
        check=False,
    )


def records_of(shift):
    for split, protocol in (("valid", "leave_one_out"), ("test", "leave_one_out")):
        for person in range(3):
            for epoch in (0, 1):
                yield full(
                    task_id=f"{split}-{person}",
                    split=split,
                    protocol=protocol,
                    epoch=epoch,
                    nll=9.0 + person - epoch + shift,
                )


@pytest.fixture
def project(tmp_path):
    """A folder with params and the predictions of two variants."""
    write_params_as_predicted(tmp_path)
    for name, shift in (("transfer", 0.0), ("in_place", 1.0)):
        write_predictions(tmp_path, name, records_of(shift))
    return tmp_path


def test_score_writes_its_three_files(project):
    done = run(project, "-m", "stages.score", "transfer")
    assert done.returncode == 0, done.stderr
    metrics = json.loads((project / "metrics/transfer.json").read_text())
    assert list(metrics) == ["f1", "hits_at_1", "ppl"]
    with (project / "metrics/kshot/transfer.csv").open(newline="") as file:
        assert next(csv.reader(file))[0] == "k"
    details = json.loads((project / "metrics/details/transfer.json").read_text())
    assert details["headline"] == {"split": "test", "protocol": "leave_one_out", "epoch": 1}


def test_score_gives_the_same_bytes_twice(project):
    def scored():
        assert run(project, "-m", "stages.score", "transfer").returncode == 0
        files = sorted(path for path in (project / "metrics").rglob("*") if path.is_file())
        return [(path, path.read_bytes()) for path in files]

    assert scored() == scored()


@pytest.mark.parametrize("stage", ["score", "floors", "compare", "table", "preset"])
def test_no_torch_is_imported(tmp_path, stage):
    code = f"import stages.{stage}, sys; print({{'torch', 'transformers'}} & set(sys.modules))"
    assert run(tmp_path, "-c", code).stdout.strip() == "set()"


def test_score_starts_in_under_two_seconds(tmp_path):
    """Of computing, the best of three: other processes share this machine."""
    times = []
    for _ in range(3):
        before = computed_by_children()
        assert run(tmp_path, "-m", "stages.score", "--help").returncode == 0
        times.append(computed_by_children() - before)
    assert 0.05 < min(times) < 2


def computed_by_children() -> float:
    """Seconds of processor time of the processes that this one has awaited."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_compare_takes_every_variant_that_has_predictions(project):
    """But for what a variant that is no more has left; the output says so."""
    dropped = project / "predictions/dropped.jsonl"
    dropped.write_bytes((project / "predictions/transfer.jsonl").read_bytes())
    done = run(project, "-m", "stages.compare")
    assert done.returncode == 0, done.stderr
    assert "predictions: left out, not in scored of params.yaml: dropped" in done.stdout
    found = json.loads((project / "metrics/details/comparison.json").read_text())
    assert found["variants"] == ["in_place", "transfer"]
    assert len(found["tests"]) == 3


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            ("score", "adapters"),
            "predictions/adapters.jsonl: not found; run `python -m stages.fine",
        ),
        (("floors",), "models/base/tokenizer.json: not found; run `python -m stages.base`"),
    ],
)
def test_what_is_missing_is_one_line(project, command, message):
    done = run(project, "-m", f"stages.{command[0]}", *command[1:])
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "metrics").exists()


def test_no_predictions_at_all_is_one_line(project):
    shutil.rmtree(project / "predictions")
    done = run(project, "-m", "stages.compare")
    assert done.returncode == 1
    assert "predictions/VARIANT.jsonl: not found" in done.stderr


def test_a_damaged_line_is_named(project):
    path = project / "predictions/transfer.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], lines[3][:40]]))
    done = run(project, "-m", "stages.score", "transfer")
    assert done.returncode == 1
    assert "predictions/transfer.jsonl:4: not a valid Prediction" in done.stderr
    assert "Traceback" not in done.stderr


def test_compare_names_a_scored_variant_without_predictions(project):
    (project / "predictions/transfer.jsonl").unlink()
    done = run(project, "-m", "stages.compare")
    assert done.returncode == 0, done.stderr
    said = "nothing of transfer, which is scored; `python -m stages.finetune transfer`"
    assert f"note: predictions: {said}" in done.stderr
