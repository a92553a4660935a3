"""Where `shot_tests` and `conflict` write: not into outs, and over nothing of the user's."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from pipeline.evaluation.few_shot.shots import ShotSums
from pipeline.evaluation.kept.keep import keep as keep_study
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.schemas.base import parse
from stages.few_shot.conflict import conflict
from stages.few_shot.kept_runs import keep, keep_all
from stages.few_shot.shot_tests import shot_tests_command
from tests.unit.evaluation.few_shot.test_kept_runs import BY_K, ROWS, write_run
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


@pytest.mark.parametrize("part", ["changes.json", "shots", "tuning", "replies"])
def test_a_study_of_kept_runs_is_not_that_of_another_run(part, tmp_path):
    """Its runs would get the other's parameters; older ones have no changes.json."""
    run, study = write_run(tmp_path / "run", ROWS), tmp_path / "study"
    keep(run, study, "run")
    shutil.rmtree(study / "runs/run")
    artifacts.write_text(study / "runs/run" / part / "x.json", "{}")
    shutil.copytree(ROOT / "metrics", run / "metrics")
    before = files(study)
    with pytest.raises(DataError, match=r"study/runs/run: a run that `shot_tests` or `conflict`"):
        keep_study(run, study)
    assert files(study) == before


@pytest.mark.parametrize("command", [shot_tests_command, conflict])
def test_a_study_that_was_mixed_is_neither_tested_nor_added_to(command, tmp_path):
    run, study = write_run(tmp_path / "run", ROWS), tmp_path / "study"
    keep(run, study, "0.5")
    artifacts.write_json(study / "metrics/transfer.json", {"headline": {}})
    before = files(study)
    for runs in ([], [run]):
        with pytest.raises(ParamsError, match=r"study: has metrics that `study keep` wrote, so"):
            command(runs, study=study)
    assert files(study) == before


@pytest.mark.parametrize("study", ["conflict", "smollm2", "smollm2_seeds"])
def test_to_a_committed_study_of_runs_more_may_be_added(study):
    keep_all({}, ROOT / "studies" / study)


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


@pytest.mark.parametrize(
    "name",
    ["params.yaml", "shots/mine.json", "tuning/mine.csv", "tuning/in_place.csv", "replies/x.json"],
)
def test_a_link_out_of_a_run_is_not_followed(tmp_path, name):
    """The study, which is published, would have held any file of the user's."""
    run = write_run(tmp_path / "run", ROWS)
    (tmp_path / "secret").write_bytes((run / "params.yaml").read_bytes())
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(tmp_path / "secret")
    with pytest.raises(DataError, match=rf"run/{name}: a link out of .*run, whose files alone are"):
        keep(run, tmp_path / "study", "run")
    assert not (tmp_path / "study").exists()


def test_of_a_run_files_of_the_right_names_and_contents_alone_are_kept(tmp_path):
    run = write_run(tmp_path / "run", ROWS)
    for name in ("tuning/notes", "tuning/log.txt", "shots/old.csv"):
        artifacts.write_text(run / name, "mine\n")
    artifacts.write_text(run / "tuning/in_place_by_k.csv", BY_K)
    keep(run, tmp_path / "study", "run")
    assert {name for name in files(tmp_path / "study/runs/run") if "/" in name} == {
        "shots/transfer.json",
        "shots/in_place.json",
        "tuning/in_place_by_k.csv",
    }
    before = files(tmp_path / "study")
    artifacts.write_text(run / "tuning/in_place.csv", "user,password\nann,secret\n")
    with pytest.raises(DataError, match=r"in_place\.csv:1: no column 'trial', found 'user, pass"):
        keep(run, tmp_path / "study", "run")
    assert files(tmp_path / "study") == before


@pytest.mark.parametrize("name", ["tuning/notes.md", "replies/mine.txt"])
def test_a_file_among_the_parts_that_were_kept_is_not_lost(tmp_path, name):
    run, study = write_run(tmp_path / "run", ROWS), tmp_path / "study"
    keep(run, study, "run")
    artifacts.write_text(study / "runs/run" / name, "mine\n")
    before = files(study)
    with pytest.raises(DataError, match=rf"runs/run/{name}: not written by this stage"):
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


@pytest.mark.parametrize("command", [shot_tests_command, conflict])
@pytest.mark.parametrize("name", ["", "exp1/log.txt"])
def test_a_folder_with_parameters_of_the_users_is_no_study(name, command, tmp_path):
    """Many projects have a params.yaml and runs/ of their own."""
    run, study = write_run(tmp_path / "run", ROWS), tmp_path / "study"
    (study / "runs").mkdir(parents=True)
    artifacts.write_text(study / "params.yaml", "lr: 0.1  # mine\n")
    if name:
        artifacts.write_text(study / "runs" / name, "mine\n")
    before = files(study)
    with pytest.raises(ParamsError, match=r"study/params\.yaml: there, but no run that was kept"):
        command([run], study=study)
    assert files(study) == before


MADE = {"variant": "in_place", "params": {}, "models": {}}


@pytest.mark.parametrize("other", ["base", "tasks"])
def test_another_persons_run_of_one_name_does_not_replace_what_was_kept(other, tmp_path):
    """Every clone's folder is called as the project, unless it was given a name."""
    study, made = tmp_path / "study", MADE | {"base": "b" * 64, "tasks": "c" * 64}
    ours, theirs = (
        ROWS["in_place"].model_copy(update={"made_from": AdaptedFrom(**one)})
        for one in (made, made | {other: "d" * 64})
    )
    keep(write_run(tmp_path / "a/clone", {"in_place": ours}), study, "clone")
    before = files(study)
    with pytest.raises(
        DataError, match=rf"runs/clone/shots/in_place\.json: kept before, of another {other} than"
    ):
        keep(write_run(tmp_path / "b/clone", {"in_place": theirs}), study, "clone")
    assert files(study) == before


def test_seeds_that_were_kept_before_are_not_lost(tmp_path):
    study, kept_row = tmp_path / "study", ROWS["in_place"]
    two = parse(ShotSums, of_seeds(kept_row, [0, 1]), "shots")
    keep(write_run(tmp_path / "a", {"in_place": two}), study, "a")
    before = files(study)
    one = parse(ShotSums, of_seeds(kept_row, [0]), "shots")
    with pytest.raises(
        DataError, match=r"kept before, with seeds \[1\], which .*in_place.json lacks"
    ):
        keep(write_run(tmp_path / "a", {"in_place": one}), study, "a")
    assert files(study) == before


def test_a_k_that_was_kept_before_is_not_lost(tmp_path):
    """`shots --k` writes the file anew, without the other K."""
    study, row = tmp_path / "study", ROWS["in_place"]
    keep(write_run(tmp_path / "a", {"in_place": row}), study, "a")
    before = files(study)
    last = max(row.tuned)
    fewer = row.model_copy(update={"tuned": {k: v for k, v in row.tuned.items() if k < last}})
    with pytest.raises(DataError, match=rf"with sums by gradient, K = {last} \(1 such\), which"):
        keep(write_run(tmp_path / "a", {"in_place": fewer}), study, "a")
    assert files(study) == before


def of_seeds(row, seeds):
    """The row's content, its sums given to each of these seeds."""
    values = json.loads(json.dumps(row.content())) | {"seeds": seeds}
    for way in ("tuned", "prompted", "by_word"):
        for k, cells in values.get(way, {}).items():
            values[way][k] = [[person[0]] * len(seeds) for person in cells]
    return values


def test_the_terminal_tells_gains_from_levels(tmp_path, capsys):
    shot_tests_command([write_run(tmp_path / "run", ROWS)], study=tmp_path / "study")
    shown = [line.strip() for line in capsys.readouterr().out.splitlines() if " - " in line]
    names = [line.partition(": ")[0] for line in shown]
    assert len({*names}) == len(names)
    assert any(name.startswith("gain of in_place, K = 1 - gain of ") for name in names)
