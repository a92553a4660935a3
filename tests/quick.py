"""`python -m tests.quick`: the unit tests of what changed, then the wiring; no training.

What changed is the working tree against the merge base with `main`, new files included. A file's
tests are the one at its mirrored path (`pipeline/X/Y.py` -> `tests/unit/X/test_Y.py`) and those
that import it directly. After BUDGET seconds the rest is left to `make test`, and that is said.
"""

import ast
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterable
from functools import cache
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
BUDGET = 25.0  # seconds, between tests: the last one may run over; imports and lint come on top
CODE = ("pipeline", "stages", "benchmarks", "tests")


def changed(root: Path) -> list[str]:
    """Return the files that differ from the merge base with `main`: first those not committed."""
    base = _git(root, "merge-base", "HEAD", "main") or ["HEAD"]
    edited, since = (
        _git(root, "diff", "--name-only", "--diff-filter=d", commit) for commit in ("HEAD", base[0])
    )
    new = _git(root, "ls-files", "--others", "--exclude-standard")
    return list(dict.fromkeys([*edited, *new, *since]))


def tests_of(files: Iterable[str], root: Path) -> list[str]:
    """Return the test files to run for changed files: their own first, then those that import."""
    files = [file for file in files if file.split("/")[0] in CODE]
    own = [test for file in files for test in _own(file, root)]
    modules = {name for file in files for name in _modules(file)}
    unit = sorted(root.glob("tests/unit/**/test_*.py"))
    importing = [test.relative_to(root).as_posix() for test in unit if modules & _imported(test)]
    return list(dict.fromkeys([*own, *importing]))


def _git(root: Path, *arguments: str) -> list[str]:
    """Return the lines of a git command's output; none if it fails, as without a branch `main`."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, text=True, capture_output=True, check=False
    )
    return done.stdout.splitlines() if done.returncode == 0 else []


def _own(file: str, root: Path) -> list[str]:
    """Return a changed test, or the test at a module's mirrored path, where there is one."""
    path = Path(file)
    if path.parts[0] == "tests":
        mirrored = path if path.name.startswith("test_") else None
    else:
        mirrored = Path("tests/unit", *path.parts[1:-1], f"test_{path.stem}.py")
    is_there = mirrored is not None and mirrored.suffix == ".py" and (root / mirrored).is_file()
    return [mirrored.as_posix()] if mirrored and is_there else []


def _modules(file: str) -> set[str]:
    """Return the names by which a file is imported; a YAML file belongs to the module beside it."""
    path = Path(file)
    parts = [*path.parts[:-1], *([] if path.stem == "__init__" else [path.stem])]
    names = {".".join(parts)}
    if parts[0] == "stages" and len(parts) == 3:
        names.add(
            f"stages.{parts[2]}"
        )  # as `python -m stages.table` finds stages/commands/table.py
    return names


@cache
def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


class Budget:
    """A pytest plugin that stops after some seconds, counted from its making."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds
        self.is_spent = False
        self.failed = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed += report.failed

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None]:
        yield
        if nextitem is not None and time.monotonic() > self.end:
            self.is_spent = True
            item.session.shouldstop = "the time for a quick run is over; `make test` runs the rest"


def run(tests: list[str], seconds: float = BUDGET) -> int:
    """Run test files without the slow tests, for so long; return the exit code."""
    budget = Budget(seconds)
    code = pytest.main([*tests, "-m", "not slow and not gpu"], plugins=[budget])
    passed = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if code in passed or (budget.is_spent and not budget.failed):
        return 0
    return 1


def main() -> int:
    """Run the tests of what changed; without changes the wiring alone."""
    os.chdir(ROOT)
    tests = tests_of(changed(ROOT), ROOT)
    sys.stdout.write(f"{len(tests)} test files belong to what changed\n")
    sys.stdout.flush()
    rest = [str(test) for test in sorted(Path("tests/wiring").glob("test_*.py"))]
    return run(list(dict.fromkeys([*tests, *rest])))


if __name__ == "__main__":
    sys.exit(main())
