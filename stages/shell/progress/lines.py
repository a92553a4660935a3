"""Progress where there is no terminal: a line after some seconds, later less often."""

import time
from collections.abc import Callable
from pathlib import Path

from stages.shell.progress.pace import Pace


MARK = "progress:"
FIRST = 10.0  # seconds before the first line, and between two
SHARE = 0.05  # of the time so far, once that is longer: half a day gives some 120 lines
LONGEST = 600.0  # seconds without a line


class Lines:
    """Says now and then how far work is.

    Args:
        what: names the work.
        total: units; null: not known.
        unit: what is counted.
        say: shows a line.
        clock: returns seconds.
    """

    def __init__(
        self,
        what: str,
        total: int | None,
        unit: str,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total, self._unit, self._say = what, total, unit, say
        self._clock, self._pace = clock, Pace(clock)
        self._began = clock()
        self._next = self._began + FIRST

    def __call__(self, done: int, words: str) -> None:
        """Take note of so many units; say it if it is time."""
        self._pace.report(done)
        now = self._clock()
        if now < self._next:
            return
        self._next = now + min(max(FIRST, SHARE * (now - self._began)), LONGEST)
        of = "" if self._total is None else f" of {self._total:,}"
        parts = (words, self._pace.words(self._unit), self._pace.left(self._total))
        count = f"{done:,}{of} {self._unit}"
        self._say(f"{self._what}: {', '.join([count, *filter(None, parts)])}")


class OfStage:
    """The progress lines in a file that a stage's output goes to.

    Args:
        output: the file.
    """

    def __init__(self, output: Path) -> None:
        self._output = output
        self._read = 0  # bytes

    def new(self) -> list[str]:
        """Return the lines that came since the last call, without their mark."""
        if not self._output.is_file():
            return []
        with self._output.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(end)
        lines = whole.decode("utf-8", errors="replace").splitlines()
        return [line.removeprefix(MARK).strip() for line in lines if line.startswith(MARK)]

    def others(self) -> list[str]:
        """Return all lines of the file but the progress."""
        said = self._output.read_text(encoding="utf-8", errors="replace")
        return [line for line in said.splitlines() if not line.startswith(MARK)]
