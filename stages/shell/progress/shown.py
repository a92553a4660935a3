"""A bar on a terminal, lines elsewhere: done, speed, time left, and a few words such as a loss."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipeline.errors import DivergedError
from pipeline.progress import Advance, untold
from stages.shell import console
from stages.shell.progress.lines import MARK, Lines
from stages.shell.progress.pace import Pace


@contextmanager
def progress(
    what: str, total: int | None, *, unit: str = "steps", shown: bool = True
) -> Iterator[Advance]:
    """Yield a function that is told how far the work is; say in a divergence what it was of.

    Args:
        what: names the work.
        total: units; null: not known.
        unit: what is counted.
        shown: false where another rank shows it.
    """
    try:
        if not shown:
            yield untold
        elif console.err.is_terminal:
            with _bar(what, total, unit) as advance:
                yield advance
        else:
            yield Lines(what, total, unit, lambda line: console.marked(MARK, line))
    except DivergedError as error:
        raise DivergedError(f"{what}: {error}") from error


@contextmanager
def _bar(what: str, total: int | None, unit: str) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    pace = Pace()
    with Progress(*columns, console=console.err) as bars:
        bar = bars.add_task(what, total=total, speed="", words="")

        def advance(done: int, words: str) -> None:
            pace.report(done)
            bars.update(bar, completed=done, speed=pace.words(unit), words=words)

        yield advance
