"""Table 1 in the terminal: `stages.table`."""

import json
import re
import subprocess
import sys

import pytest

from pipeline.strict_json import sealed
from tests.support.details_builder import FLOORS, content, interval
from tests.support.training_runs import content as a_run
from tests.wiring.closure import ROOT


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
            (folder / f"{name}.json").write_text(json.dumps(sealed(value)))
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
        transfer=content(swap_gain=0.375, verdict="mostly not personal", variant="transfer"),
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
    assert "on all 3 replies of the test people, the systems on 223 of them" in done.stdout
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
        (folder / "variant.json").write_text(json.dumps(sealed(a_run(steps=steps))))
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
