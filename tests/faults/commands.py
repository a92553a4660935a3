"""Commands of the project in a folder of their own, killed, starved and compared."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Protocol

from pipeline import artifacts
from tests.faults.forks import Fork
from tests.faults.registry import Outcome
from tests.wiring.closure import ROOT


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LONGEST = 120  # seconds of a run
OWN = 5  # of so many points at random moments, one is of a program of its own, not of a fork

Words = tuple[str, ...]


class Started(Protocol):
    """A command that runs."""

    pid: int

    def poll(self) -> int | None: ...
    def send_signal(self, number: int) -> None: ...
    def kill(self) -> None: ...


class Starts(Protocol):
    """A way to start a command."""

    def __call__(self, folder: Path, *words: str, **environ: str) -> Started: ...


def environment(**environ: str) -> dict[str, str]:
    """Return the variables of a command that runs in a folder of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", **environ}


def start(
    folder: Path,
    *words: str,
    largest: int | None = None,
    address_space: int | None = None,
    **environ: str,
) -> subprocess.Popen:
    """Start `python -m stages.WORDS` in a folder, as a program and a group of its own.

    Args:
        folder: where it runs.
        words: the stage and its arguments.
        largest: bounds the files that it can write, in bytes.
        address_space: bounds its memory, in bytes, and that of each of its children.
        environ: its variables, beside this process's own.
    """

    def bounded() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        if address_space is not None:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))

    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{words[0]}", *words[1:]],
        cwd=folder,
        env=environment(**environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=bounded,
        start_new_session=True,
    )


def finished(process: Started) -> tuple[int, str]:
    """Wait; return the exit code and what was said. One that hangs is ended, and said."""
    if isinstance(process, Fork):
        return process.finished(LONGEST)
    assert isinstance(process, subprocess.Popen)
    try:
        _, err = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.kill()
        return -signal.SIGKILL, f"it had not ended after {LONGEST} s"
    return process.returncode, err


def done(folder: Path, *words: str, how: Starts = start, **environ: str) -> float:
    """Run a command, which must succeed; return its seconds."""
    began = time.monotonic()
    code, err = finished(how(folder, *words, **environ))
    assert code == 0, err
    return time.monotonic() - began


def digests(folder: Path, outs: Iterable[Path]) -> dict[str, str]:
    """Return each out's digest; an out that is not there has none."""
    return {str(o): artifacts.sha256_of(folder / o) for o in outs if (folder / o).exists()}


def one_line(code: int, err: str) -> list[str]:
    """Return a complaint unless a failure was told in one line, after any notes.

    What a fork says has its summary, too: a signal may come when the work is done.
    """
    *notes, last = err.splitlines() or [""]
    harmless = [line.startswith("note: ") or ": best at step " in line for line in notes]
    fine = last.startswith("error: ") and all(harmless)
    return [] if code == 0 or fine else [f"exit code {code}: {err[-300:]!r}"]


def left_behind(folder: Path) -> list[str]:
    """Return a complaint about each scratch that is there."""
    scratches = (p for p in folder.rglob("*.partial") if "download" not in str(p))
    return [f"left: {path.relative_to(folder)}" for path in scratches]


def killed_at_random(
    folder: Path,
    words: Words,
    outs: Iterable[Path],
    points: int,
    random: Random,
    *,
    most: Starts = start,
    **environ: str,
) -> Outcome:
    """Kill a command at random moments, run it again, compare its outs with an undisturbed run's.

    After the kill each out must be the old one, the new one, or not there: never a part of it.
    With `started` most points are forks that begin after the imports, as under `make repro`.
    """
    ways = (most, start)
    usual = [done(folder, *words, how=how, **environ) for how in ways]
    outs = tuple(outs)
    right = digests(folder, outs)
    assert len(right) == len(outs)
    outcome = Outcome(points)
    for point in range(points):
        own = point % OWN == OWN - 1
        number = SIGNALS[point % len(SIGNALS)]
        if point % 2:
            _remove(folder, outs)  # else the old out is there, and stays until the new one is
        process = ways[own](folder, *words, **environ)
        time.sleep(random.uniform(0, 1.05 * usual[own]))
        process.send_signal(number)
        outcome.lost += resumed(folder, words, process, right, outcome, how=most, **environ)
    return outcome


def resumed(
    folder: Path,
    words: Words,
    process: Started,
    right: dict[str, str],
    outcome: Outcome,
    *,
    how: Starts = start,
    **environ: str,
) -> list[str]:
    """Await a command that was disturbed, and run it again; return what was lost."""
    lost = []
    code, err = finished(process)
    left = digests(folder, map(Path, right))
    lost += [f"{words}: {out} differs after code {code}" for out in left if left[out] != right[out]]
    if code > 0:
        lost += one_line(code, err)
    began = time.monotonic()
    code, err = finished(how(folder, *words, **environ))
    outcome.seconds.append(time.monotonic() - began)
    if code:
        lost.append(f"{words}: the next run ended with {code}: {err[-300:]!r}")
    if digests(folder, map(Path, right)) != right:
        lost.append(f"{words}: the next run's outs differ")
    return lost + left_behind(folder)


def _remove(folder: Path, outs: Iterable[Path]) -> None:
    for out in outs:
        path = folder / out
        for inner in sorted(path.rglob("*"), reverse=True):
            inner.rmdir() if inner.is_dir() else inner.unlink()
        path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started, where /proc shows them."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []
