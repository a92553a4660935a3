"""`stages.table --compare REV`: both tables as the files have them, every difference marked."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.params.edit import with_values
from pipeline.strict_json import sealed
from tests.support.details_builder import FLOORS, content, interval
from tests.wiring.closure import ROOT


@pytest.fixture
def project(tmp_path):
    """Two variants at the revision `first`, in a folder below the repository's root."""
    folder = tmp_path / "project"
    (folder / "metrics/details").mkdir(parents=True)
    (folder / "params.yaml").write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    for name in ("transfer", "in_place"):
        write(folder, name, content(variant=name))
    write(folder, "floors", FLOORS)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    git(tmp_path, "tag", "first")
    return folder


def git(folder, *arguments):
    person = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@a"}
    person |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@a"}
    subprocess.run(["git", *arguments], cwd=folder, check=True, env=os.environ | person)


def write(folder, name, what):
    (folder / f"metrics/details/{name}.json").write_text(json.dumps(sealed(what)))


def run(folder, revision, **env):
    return subprocess.run(
        [sys.executable, "-m", "stages.table", "--compare", revision],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"} | env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def lines(done):
    assert (done.returncode, done.stderr) == (0, "")
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def test_what_is_as_it_was_is_said_to_be(project):
    shown = lines(run(project, "HEAD"))
    assert shown[-1] == "All 6 numbers are those of HEAD, to the last digit."
    assert not any("≠" in line for line in shown[1:])


def test_differences_are_marked_even_where_no_digit_shows_them(project):
    changed = {"ppl": interval(9.0), "f1": interval(10.000001)}
    write(project, "in_place", content(**changed))
    shown = lines(run(project, "first"))
    first = next(i for i, line in enumerate(shown) if line.startswith("In-place MAMLviaPP"))
    assert shown[first].endswith("9.00 (8.88, 9.12) 30.0 (29.9, 30.1) 10.0 (9.9, 10.1)")
    there = "≠ 20.00 (19.88, 20.12) 30.0 (29.9, 30.1) ≠ 10.0 (9.9, 10.1)"
    assert shown[first + 1] == there
    assert shown[-1] == "2 of 6 numbers are not those of first (≠)."


def test_rows_here_are_of_what_is_there_now(project):
    """Else a parameter that was changed and not run would seem to change nothing."""
    made = content(variant="in_place")
    made["made_from"] |= {"params": {"seed": 99, "bootstrap_samples": 1000}}
    write(project, "in_place", made)
    done = run(project, "first")
    assert (done.returncode, done.stdout) == (1, "")
    assert "in_place.json: made with score.seed 99, but params.yaml has" in done.stderr
    made["made_from"] = {**content(variant="in_place")["made_from"], "tasks": "9" * 64}
    write(project, "in_place", made)
    done = run(project, "first")
    assert (done.returncode, done.stdout) == (1, "")
    assert "data/tasks" in done.stderr


def test_of_a_revision_the_rows_that_it_names_are_shown(project):
    """Those of the run that came with the project lie beside them."""
    path = project / "params.yaml"
    path.write_text(with_values(path.read_text(), ["scored=[in_place]", "compare.claims=[]"]))
    git(project, "commit", "--quiet", "--all", "--message", "second")
    shown = lines(run(project, "HEAD"))
    assert not any(line.startswith("Transfer Pre-trained") for line in shown)
    assert shown[-1] == "All 3 numbers are those of HEAD, to the last digit."
    path.write_text("scored: [")
    git(project, "commit", "--quiet", "--all", "--message", "broken")
    git(project, "checkout", "--quiet", "first", "--", "params.yaml")
    assert lines(run(project, "HEAD"))[-1] == "All 6 numbers are those of HEAD, to the last digit."


def test_a_revision_of_other_tasks_is_said_to_be(project):
    for name in ("transfer", "in_place"):
        other = content(variant=name)
        write(project, name, other | {"made_from": other["made_from"] | {"tasks": "9" * 64}})
    (project / "metrics/details/floors.json").unlink()
    done = run(project, "first")
    assert (done.returncode, done.stderr) == (0, "note: first: of other tasks than here\n")


def test_a_row_that_only_one_has_is_there(project):
    (project / "metrics/details/transfer.json").unlink()
    write(project, "adapters", content(variant="adapters"))
    shown = lines(run(project, "first"))
    assert shown[-1] == "6 of 9 numbers are not those of first (≠)."
    first = next(i for i, line in enumerate(shown) if line.startswith("Transfer Pre-trained"))
    assert shown[first].endswith("– – –")


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("nowhere", "--compare nowhere: git knows no such commit"),
        ("--help", "--compare --help: git knows no such commit"),
        ("-x", "--compare -x: git knows no such commit"),
        ("\x1b[31m", r"--compare \x1b[31m: git knows"),
    ],
)
def test_no_such_revision_is_one_line(project, revision, said):
    done = run(project, revision)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_a_revision_with_nothing_scored_and_a_machine_without_git(project):
    git(project, "rm", "-r", "--quiet", "--cached", "metrics")
    git(project, "commit", "--quiet", "--message", "none")
    assert "HEAD: no variant was scored at that revision" in run(project, "HEAD").stderr
    assert "needs git" in run(project, "first", PATH="").stderr
    git(project, "checkout", "--quiet", "first", "--", "metrics")
    (project / "metrics/details/in_place.json").write_text("{")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "broken")
    write(project, "in_place", content())
    assert "HEAD: metrics/details/in_place.json: not JSON" in run(project, "HEAD").stderr
