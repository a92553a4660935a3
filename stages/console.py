"""What the shell shows: progress, tables, every expected error as one line and its exit code."""

import errno
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import PipelineError
from stages import interrupted_early


out = Console(soft_wrap=True)
_err = Console(stderr=True, soft_wrap=True)

Advance = Callable[[int, str], None]  # (units done so far, a few words)


def run(command: Callable[..., None]) -> None:
    """Run one typer command; expected errors become one clear line and their exit code."""
    if signal.getsignal(signal.SIGINT) is interrupted_early:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(_one_line_errors()(command))  # inside, since typer has its own way with Ctrl-C
    app()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except PipelineError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail("interrupted; nothing half-written was kept, run the same command to go on")
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail(f"no space left on the disk ({error.filename or 'while writing'}); free some")
        elif error.errno in (errno.EACCES, errno.EROFS):
            _fail(f"{error.filename}: may not be read or written ({error.strerror})")
        else:
            _fail(f"{error.filename or 'the system'}: {error.strerror or error}")


def _fail(message: str, code: int = 1) -> None:
    _err.print(f"[bold red]error:[/] {_escape(' '.join(message.split()))}", highlight=False)
    sys.exit(code)


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


@contextmanager
def progress(what: str, total: int, *, shown: bool = True) -> Iterator[Advance]:
    """Show a progress bar, if `shown` and on a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=_err, disable=not (shown and _err.is_terminal)) as bars:
        bar = bars.add_task(what, total=total, note="")

        def advance(done: int, note: str) -> None:
            bars.update(bar, completed=done, note=note)

        yield advance


def training_summary(folder: Path, best_step: int, best_value: float) -> None:
    """Say where a training run's result lies and how good it was on valid."""
    out.print(f"{folder}: best at step {best_step}, valid loss {best_value:.4f} nats per token")
