"""What the shell shows: lines and tables, every expected error as one line and its exit code."""

import atexit
import errno
import logging
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.text import Text

from pipeline import recording
from pipeline.errors import PipelineError, one_line, public_urls
from pipeline.processes.parent import WITH_STARTER, end_with_parent
from stages import STARTED_BY, TERMINATED, hears_sigterm, interrupted_early
from stages.shell.arguments import as_meant
from stages.shell.terminal import Terminal, replace_what_cannot_be_shown


out = Terminal()
err = Terminal(stderr=True)

_USAGE = 2  # the exit code after arguments that the command does not take
_LONGEST = 2000  # characters of an error's line

GO_ON = "nothing half-written was kept, run the same command to go on"
_LESS_MEMORY = (
    "free some, or let a model's training take less (MAMLVIAPP_TASKS_AT_ONCE=1, "
    "MAMLVIAPP_FOLDS_AT_ONCE=1 or MAMLVIAPP_RECOMPUTE=1), and run the same command to go on"
)

_OF_MEMORY = ("DefaultCPUAllocator", "can't start new thread")  # in messages of RuntimeError


# Set by whoever runs dvc.yaml, by torchrun (a rank whose launcher is gone would wait for ranks that
# nobody starts), and by whatever of this project starts a command.
_STARTED_BY_A_PROGRAM = {recording.STAGE, "TORCHELASTIC_RUN_ID", WITH_STARTER}

WIDE = 134  # columns of a table whose intervals stand beside their numbers


_ENDING = (signal.SIGINT, signal.SIGTERM)
_heard: set[signal.Signals] = set()  # signals that this program was started with handlers of


class Terminated(KeyboardInterrupt):
    """SIGTERM, handled as Ctrl-C is: the same code tidies up after both."""


def run(command: Callable[..., None]) -> None:
    """Run one typer command; expected errors become one clear line and their exit code."""
    replace_what_cannot_be_shown()
    logging.getLogger("pipeline").addHandler(_NOTES)
    if _STARTED_BY_A_PROGRAM & os.environ.keys():
        with _one_line_without_memory():
            end_with_parent(STARTED_BY)
        try:
            recording.begin()
        except PipelineError as error:
            _fail(str(error), error.exit_code)
        except OSError as error:
            _fail(_of_system(error))
    if _is_one_of_many() and not getattr(command, "on_ranks", False):
        with _one_line_errors():
            raise PipelineError(
                f"{command.__name__} is one process and shares its work with no other rank; "
                "run it without torchrun"
            )
    if sys.flags.optimize > 1:
        with _one_line_errors():
            raise PipelineError(
                "PYTHONOPTIMIZE=2, or -OO, removes docstrings, which transformers reads; unset it"
            )
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    # Inside typer's call: typer handles Ctrl-C itself, and says nothing.
    app.command()(_one_line_errors()(as_meant(command)))
    with _one_line_usage():
        sys.exit(app(standalone_mode=False))


def _is_one_of_many() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


def _terminated(*_: object) -> None:
    raise Terminated


def _send_again(lost: "sys.UnraisableHookArgs") -> None:
    """Send a signal again that came while Python deleted an object, where it raises nothing."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        number = signal.SIGTERM if isinstance(lost.exc_value, Terminated) else signal.SIGINT
        again = threading.Timer(0.1, os.kill, (os.getpid(), number))  # after the deletion
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _hear_signals() -> None:
    """Let Ctrl-C and SIGTERM be exceptions, so that the command tidies up.

    Before, `interrupted_early` ends the program: typer, which reads the arguments, would be silent.
    """
    _heard.update(n for n in _ENDING if signal.getsignal(n) is interrupted_early)
    if signal.SIGINT in _heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hears_sigterm():
        signal.signal(signal.SIGTERM, _terminated)
    sys.unraisablehook = _send_again


def _hear_no_signals(code: int) -> None:
    """Let Ctrl-C and SIGTERM end the program with this code: all is done.

    Python takes its handlers away while it ends, which takes a second once torch is loaded. A
    signal would then be the exit code, and whoever started the program would think it failed.
    """
    for number in _heard:
        signal.signal(number, lambda *_: os._exit(code))
    atexit.register(_ignore_signals)


def _ignore_signals() -> None:
    for number in _heard:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _one_line_usage() -> Iterator[None]:
    """Say in a line what typer has against the arguments. Its errors have no public base class."""
    try:
        yield
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _fail(f"{error.format_message()}; `--help` lists the arguments", _USAGE)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        _hear_signals()
        with _one_line_without_memory():
            yield
        _hear_no_signals(0)
    except PipelineError as error:
        _fail(str(error), error.exit_code)
    except Terminated:
        _fail(f"terminated; {GO_ON}", TERMINATED)
    except KeyboardInterrupt:
        _fail(f"interrupted; {GO_ON}")
    except OSError as error:
        _fail(_of_system(error))
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of compiled code; it is no Exception
            raise
        _fail(f"a compiled library gave up ({one_line(error)}); look at the files it was given")


@contextmanager
def _one_line_without_memory() -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        _fail(f"{_what_was_asked(error)}; {_LESS_MEMORY}")


def _of_system(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space left on the disk ({error.filename or 'while writing'}); free some"
    if error.errno in (errno.EACCES, errno.EROFS):
        where = error.filename or "the system, in /dev/shm or TMPDIR perhaps"
        return f"{where}: may not be read or written ({error.strerror})"
    return f"{error.filename or 'the system'}: {error.strerror or error}"


def _is_memory(error: Exception) -> bool:
    """Say whether memory ran out: Python's, a GPU's, a CPU tensor's, a thread's. Without torch."""
    named = type(error).__name__ in ("MemoryError", "OutOfMemoryError")
    return named or any(part in str(error) for part in _OF_MEMORY)


def _what_was_asked(error: Exception) -> str:
    """Return "out of memory", and how much was asked for where torch says so."""
    asked = re.search(r"ried to allocate ([\d.]+ \w+)", str(error))
    return "out of memory" + (f" ({asked[1]} more were asked for)" if asked else "")


def _fail(message: str, code: int = 1) -> None:
    _ignore_signals()
    marked("error:", message, "bold red")
    _hear_no_signals(code)
    sys.exit(code)


def complain(message: str) -> None:
    """Print an error's line, and go on."""
    marked("error:", message, "bold red")


def note(message: str) -> None:
    """Print a note to stderr. An empty message prints nothing."""
    if message:
        marked("note:", message)


def marked(mark: str, message: str, style: str = "bold") -> None:
    """Print a line to stderr, with a mark before it; of a URL in it only what is public."""
    text = one_line(public_urls(" ".join(message.split())), _LONGEST)
    err.print(Text.assemble((mark, style), " ", text), highlight=False)


class _Notes(logging.Handler):
    """Shows as notes what the library has to say while it works."""

    def emit(self, record: logging.LogRecord) -> None:
        note(record.getMessage())


_NOTES = _Notes()


def say(line: str) -> None:
    """Print one line as it is."""
    out.print(line, markup=False, highlight=False, soft_wrap=True)


def wrote(path: Path, what: str, look: str) -> None:
    """Print a stage's last line: what it wrote, and how to look at it."""
    say(f"{path}: {what}; {look}")
