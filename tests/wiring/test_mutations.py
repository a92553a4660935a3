"""The mutations: every entry fits the code, a few are run, and the runner tells the truth."""

import os
import re
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from tests.mutations.__main__ import main
from tests.mutations.catalogue import CatalogueError, faults, load
from tests.wiring.closure import ROOT


MUTATIONS = load()
HEADLINE = "tests/unit/evaluation/records/test_headline.py::test_the_lowest_valid_nll_wins"
MIN = "return min(nats, key=lambda epoch: (nats[epoch], epoch))"


def test_every_snippet_is_there_once_and_every_test_exists():
    wrong = {m.name: found for m in MUTATIONS if (found := list(faults(m, ROOT)))}
    assert wrong == {}


def test_every_mutation_is_there_once():
    assert len({m.name for m in MUTATIONS}) == len({(m.edits, m.test) for m in MUTATIONS})
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS)


def test_the_document_has_the_count():
    text = (ROOT / "docs/verification.md").read_text(encoding="utf-8")
    assert re.findall(r"(\d+) mutations", text) == [str(len(MUTATIONS))]


def entry(what, replace, find=MIN, test=HEADLINE):
    """A mutation of where the headline epoch is chosen."""
    (file,) = (e.file for m in MUTATIONS for e in m.edits if e.find == "(nats[epoch], epoch))")
    return {"what": what, "file": file, "find": find, "replace": replace, "test": test}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """One run of the command: the fast mutations, and some that show each other verdict.

    That the tests pass as things are is trusted: they are tests of their own.
    """
    folder = tmp_path_factory.mktemp("mutations")
    fast = [
        {
            "what": m.what,
            "edits": [{"file": e.file, "find": e.find, "replace": e.replace} for e in m.edits],
            "test": m.test,
        }
        for m in MUTATIONS
        if m.fast
    ]
    raised = 'raise RuntimeError("no test runs")'
    shown = [
        entry("equal", f"found = min(nats, key=lambda epoch: (nats[epoch], epoch))\n        {MIN}"),
        entry("absent", "pass", find="this stands nowhere"),
        entry("no such test", "return max(nats)", test=f"{HEADLINE}_or_not"),
        entry("hangs", "while True:\n            pass") | {"timeout": 3},
        entry("dies", "__import__('os')._exit(0)"),
        entry("not imported", raised, find="from pipeline.errors import DataError"),
    ]
    yaml = YAML(typ="safe")
    yaml.dump(fast, folder / "fast.yaml")
    yaml.dump(shown, folder / "shown.yaml")
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutations", "--data", folder, "--trust"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    lines = (line.partition(" -- ") for line in done.stdout.splitlines())
    return {name: verdict for name, _, verdict in lines}


@pytest.mark.slow
def test_the_fast_mutations_are_caught(verdicts):
    fast = [m for m in MUTATIONS if m.fast]
    assert len(fast) >= 6
    for m in fast:
        assert verdicts[f"fast: {m.what}"].startswith(f"caught by {m.test.partition('[')[0]}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "verdict"),
    [
        ("equal", f"NOT CAUGHT: {HEADLINE}"),
        ("absent", "snippet not found: "),
        ("no such test", f"TEST NOT SOUND: {HEADLINE}_or_not: pytest ends with 4"),
        ("hangs", f"caught by time-out of 3 s in {HEADLINE}"),
        ("dies", f"caught by {HEADLINE}"),
        ("not imported", f"TEST NOT SOUND: {HEADLINE}: pytest ends with "),
    ],
)
def test_every_other_verdict_is_said(verdicts, what, verdict):
    assert verdicts[f"shown: {what}"].startswith(verdict)


def test_a_list_runs_nothing(capsys):
    assert main(["--list", "--fast"]) == 0
    assert capsys.readouterr().out.count("\n") == 2 * sum(m.fast for m in MUTATIONS)


def test_a_pattern_that_matches_nothing_is_an_error(capsys):
    assert main(["nothing is called so"]) == 1
    assert capsys.readouterr().out == "no mutation matches\n"


@pytest.mark.parametrize("missing", ["what", "file", "find", "replace", "test"])
def test_an_entry_that_lacks_something_is_named(tmp_path, missing):
    whole = entry("one", "return 0")
    del whole[missing]
    YAML(typ="safe").dump([whole], tmp_path / "area.yaml")
    with pytest.raises(CatalogueError, match="area: "):
        load(tmp_path)
