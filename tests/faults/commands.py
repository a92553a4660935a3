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

from pipeline import artifacts
from tests.faults.registry import Outcome
from tests.wiring.closure import ROOT


SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def start(
    folder: Path, *words: str, largest: int | None = None, **environ: str
) -> subprocess.Popen:
    """Start `python -m stages.WORDS` in a folder; `largest` bounds the files that it can write."""

    def bounded() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.Popen(
        [sys.executable, "-m", f"stages.{words[0]}", *words[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=bounded,
    )


def finished(process: subprocess.Popen) -> tuple[int, str]:
    """Wait; return the exit code and what was said on stderr. One that hangs is ended, and said."""
    try:
        _, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        return -signal.SIGKILL, "it had not ended after 120 s"
    return process.returncode, err


def done(folder: Path, *words: str, **environ: str) -> float:
    """Run a command, which must succeed; return its seconds."""
    began = time.monotonic()
    code, err = finished(start(folder, *words, **environ))
    assert code == 0, err
    return time.monotonic() - began


def digests(folder: Path, outs: Iterable[Path]) -> dict[str, str]:
    """Return each out's digest; an out that is not there has none."""
    return {str(o): artifacts.sha256_of(folder / o) for o in outs if (folder / o).exists()}


def one_line(code: int, err: str) -> list[str]:
    """Return a complaint unless a failure was told in one line."""
    fine = code == 0 or (err.startswith("error: ") and err.count("\n") == 1)
    return [] if fine else [f"exit code {code}: {err[-300:]!r}"]


def killed_at_random(
    folder: Path,
    words: tuple[str, ...],
    outs: Iterable[Path],
    points: int,
    random: Random,
    **environ: str,
) -> Outcome:
    """Kill a command at random moments, run it again, compare its outs with an undisturbed run's.

    After the kill each out must be the old one, the new one, or not there: never a part of it.
    """
    outs = tuple(outs)
    usual = done(folder, *words, **environ)
    right = digests(folder, outs)
    outcome = Outcome(points)
    for point in range(points):
        process = start(folder, *words, **environ)
        time.sleep(random.uniform(0, 1.05 * usual))
        number = SIGNALS[point % len(SIGNALS)]
        process.send_signal(number)
        code, err = finished(process)
        left = digests(folder, outs)
        outcome.lost += [f"{words} {number!r}: {o} differs" for o in left if left[o] != right[o]]
        if code > 0:
            outcome.lost += one_line(code, err)
        outcome.seconds.append(done(folder, *words, **environ))
        if digests(folder, outs) != right:
            outcome.lost.append(f"{words} {number!r}: the next run's outs differ")
        outcome.lost += [
            f"left: {p}" for p in folder.rglob("*.partial") if "download" not in str(p)
        ]
    return outcome
