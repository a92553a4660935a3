"""`make quick` runs the tests of what changed, no slow one, and no longer than it is given."""

import os
import subprocess
import sys

import pytest

from tests import quick
from tests.wiring.closure import ROOT


@pytest.mark.parametrize(
    ("file", "own", "importing"),
    [
        (
            "pipeline/persona/tasks/parser.py",
            "tests/unit/persona/tasks/test_parser.py",
            "tests/unit/persona/synthetic/test_people.py",
        ),
        (
            "stages/commands/table.py",
            "tests/unit/commands/test_table.py",
            "tests/unit/commands/test_table.py",
        ),
        (
            "tests/unit/persona/tasks/test_parser.py",
            "tests/unit/persona/tasks/test_parser.py",
            None,
        ),
        ("tests/support/jobs.py", None, "tests/unit/processes/test_workers.py"),
        ("docs/paper.md", None, None),
        ("params.yaml", None, None),
    ],
)
def test_a_files_tests_are_the_mirrored_one_and_those_that_import_it(file, own, importing):
    tests = quick.tests_of([file], ROOT)
    assert tests[:1] == ([own] if own else tests[:1])
    assert importing is None or importing in tests
    assert bool(tests) == bool(own or importing)


def test_a_name_that_begins_alike_is_another_module(tmp_path):
    folder = tmp_path / "tests/unit/a"
    folder.mkdir(parents=True)
    (folder / "test_x.py").write_text("from pipeline.a.other_b import c\n")
    (folder / "test_y.py").write_text("from pipeline.a import b\n")
    assert quick.tests_of(["pipeline/a/b.py"], tmp_path) == ["tests/unit/a/test_y.py"]


def test_what_changed_is_the_tree_against_the_merge_base_with_main(tmp_path):
    """What is not committed comes first: time may end before the rest."""

    def git(*arguments):
        identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")
        env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, env=env, check=True)

    def commit(name):
        (tmp_path / name).write_text("x")
        git("add", "-A")
        git("commit", "-qm", name)

    git("init", "-q", "-b", "main")
    commit("old")
    assert quick.changed(tmp_path) == []
    git("checkout", "-qb", "branch")
    commit("committed")
    (tmp_path / "old").write_text("edited")
    (tmp_path / "new").touch()
    assert quick.changed(tmp_path) == ["old", "new", "committed"]
    (tmp_path / "old").unlink()
    assert quick.changed(tmp_path) == ["new", "committed"]


TESTS = """
import time
import pytest
def test_quick():
    time.sleep(0.2)
@pytest.mark.slow
def test_slow():
    assert False
def test_last():
    open("last", "w").close()
"""


def run_quickly(folder, tests, seconds):
    """Run `tests` in a folder of their own for at most `seconds`."""
    (folder / "test_it.py").write_text(tests)
    program = f"import sys; from tests.quick import run; sys.exit(run(['test_it.py'], {seconds}))"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(("seconds", "is_last_run"), [(60, True), (0.1, False)])
def test_it_runs_no_slow_test_and_stops_when_its_time_is_over(tmp_path, seconds, is_last_run):
    done = run_quickly(tmp_path, TESTS, seconds)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "last").exists() == is_last_run
    assert ("make test" in done.stdout) != is_last_run


def test_a_failure_is_a_failure_even_when_the_time_is_over(tmp_path):
    done = run_quickly(tmp_path, "def test_wrong():\n    assert False\ndef test_b(): pass\n", 0)
    assert done.returncode == 1
