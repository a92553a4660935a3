"""Apply each mutation to a copy and name the test that fails, or say that none did."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutations import fork
from tests.mutations.catalogue import DATA, Mutation, load
from tests.mutations.tree import broken, copy_tree


TIMEOUT = 120.0  # seconds for one test
CAUGHT, MISSED, ABSENT, SKIPPED, UNSOUND = (
    "caught",
    "NOT CAUGHT",
    "snippet not found",
    "skipped",
    "TEST NOT SOUND",  # it fails without the mutation too, or cannot be run
)


class Runner:
    """Mutations on one copy, one after the other."""

    def __init__(self, root: Path, timeout: float, *, sound: bool) -> None:
        self._root = root
        self._timeout = timeout
        self._sound: dict[str, bool] = {}  # whether a test passes without a mutation
        self._checks = sound
        self._number = 0

    def judge(self, mutation: Mutation) -> tuple[str, str]:
        """Return the verdict, and which test or why."""
        texts = mutation.mutated(self._root)
        if texts is None:
            return ABSENT, ", ".join(edit.file for edit in mutation.edits)
        self._number += 1
        with broken(self._root, texts, self._number):
            found = self._run(mutation.test, mutation.timeout)
        noticed = mutation.test if found.exit_code is None else found.failed
        if noticed and self._checks and not self._passes(noticed):
            return UNSOUND, f"{noticed} fails without the mutation, too"
        return _verdict(mutation.test, found, mutation.timeout or self._timeout)

    def _run(self, test: str, timeout: float | None = None) -> fork.Outcome:
        return fork.run(test, self._root, timeout=timeout or self._timeout)

    def _passes(self, test: str) -> bool:
        """Whether the test passes as things are; it is run once."""
        if test not in self._sound:
            self._sound[test] = self._run(test).exit_code == 0
        return self._sound[test]


def _verdict(test: str, found: fork.Outcome, timeout: float) -> tuple[str, str]:
    if found.exit_code is None:
        return CAUGHT, f"time-out of {timeout:.0f} s in {test}"
    if found.failed:
        return CAUGHT, found.failed
    if found.exit_code != 0:
        return UNSOUND, f"{test}: pytest ends with {found.exit_code}, before any test ran"
    if not found.passed:
        return SKIPPED, f"{test}; is MAMLVIAPP_DATA set?"
    return MISSED, test


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    asked = _parser().parse_args(arguments)
    chosen = [
        mutation
        for mutation in load(asked.data)
        if mutation.matches(asked.pattern) and (mutation.fast or not asked.fast)
    ]
    if asked.list:
        for mutation in chosen:
            _say(f"{mutation.name}\n    {mutation.test}")
        return 0
    if not chosen:
        _say("no mutation matches")
        return 1
    return _run_all(chosen, timeout=asked.timeout, sound=not asked.trust)


def _run_all(chosen: list[Mutation], *, timeout: float, sound: bool) -> int:
    begin = time.monotonic()
    counts: Counter[str] = Counter()
    with TemporaryDirectory(prefix="mutations-") as folder:
        copy_tree(Path(folder))
        fork.warm_up()
        runner = Runner(Path(folder).resolve(), timeout, sound=sound)
        for mutation in chosen:
            before = time.monotonic()
            verdict, reason = runner.judge(mutation)
            counts[verdict] += 1
            how = f"{verdict} by {reason}" if verdict == CAUGHT else f"{verdict}: {reason}"
            _say(f"{mutation.name} -- {how} ({time.monotonic() - before:.1f} s)")
    total = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    _say(f"{len(chosen)} mutations: {total}; {time.monotonic() - begin:.0f} s")
    return int(bool(counts[MISSED] + counts[ABSENT] + counts[UNSOUND]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("pattern", nargs="*", help="part of a description, an area, file or test")
    parser.add_argument("--fast", action="store_true", help="only those that `make test` runs")
    parser.add_argument("--list", action="store_true", help="run nothing, show what there is")
    parser.add_argument(
        "--trust", action="store_true", help="do not run what failed again without the mutation"
    )
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds for one test")
    parser.add_argument("--data", type=Path, default=DATA, help="another folder of mutations")
    return parser


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
