"""Where `shot_tests` and `conflict` write: not into outs, and over nothing of the user's."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from stages.few_shot.conflict import conflict
from stages.few_shot.kept_runs import keep
from stages.few_shot.shot_tests import shot_tests_command
from tests.unit.evaluation.few_shot.test_kept_runs import ROWS, write_run
from tests.wiring.closure import ROOT


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("study", [".", "..", "report", "data", "data/x", "models/../metrics"])
@pytest.mark.parametrize("command", [shot_tests_command, conflict])
@pytest.mark.parametrize("runs", [[], ["../run"]], ids=["kept", "named"])
def test_a_study_in_or_above_outs_is_refused(command, study, runs, tmp_path, monkeypatch):
    project = write_run(tmp_path / "project", ROWS)
    write_run(tmp_path / "run", ROWS)
    write_run(project / study / "runs/0.5", ROWS)  # as if kept there
    monkeypatch.chdir(project)
    before = files(tmp_path)
    with pytest.raises(ParamsError, match=r"--study: .* lie one in the other; name a place"):
        command([Path(run) for run in runs], study=Path(study))
    assert files(tmp_path) == before


def test_a_run_in_the_studys_own_runs_is_not_replaced(tmp_path):
    study = tmp_path / "study"
    run = write_run(study / "runs/mine", ROWS)
    artifacts.write_text(run / "models/theta", "weeks of work\n")
    before = files(study)
    with pytest.raises(DataError, match="runs/mine/models: not written by this stage, which rep"):
        shot_tests_command([run], study=study)
    assert files(study) == before


def test_a_file_among_what_was_kept_is_not_lost(tmp_path):
    run, study = write_run(tmp_path / "run", ROWS), tmp_path / "study"
    keep(run, study, "run")
    artifacts.write_text(study / "runs/run/notes.md", "mine\n")
    before = files(study)
    with pytest.raises(DataError, match=r"runs/run/notes\.md: not written by this stage"):
        keep(run, study, "run")
    assert files(study) == before


def test_the_study_has_to_be_named(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "stages.shot_tests", "run"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'--study'" in done.stderr
    assert done.stderr.count("\n") == 1
