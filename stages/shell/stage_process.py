"""A stage's command as a process whose output goes to a file.

`python -m stages.NAME` spends most of a short stage's time on importing torch and transformers. On
Linux without a GPU all commands are therefore forks of one server, which has imported these two
once. The server holds nothing of this project: a fork imports the project's code itself, as it then
stands on the disk. Elsewhere, and for any other command, a stage is a process of its own.
"""

import os
import runpy
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import (
    connection,
    forkserver,
    get_context,
    parent_process,
    resource_tracker,
)
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Lock, Thread
from typing import Protocol

from pipeline.processes import fingerprint
from pipeline.processes.parent import WITH_STARTER, signals_held
from stages import hears_sigterm, interrupted_early


# Other people's modules that the stages import. A name that is missing or wrong costs time alone.
PRELOADED = (
    "torch",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.tokenization_utils_tokenizers",
    "pydantic",
    "scipy.special",
    "sklearn.feature_extraction.text",
    "typer",
    "rich.progress",
)


# Keeps up to 256 MiB of freed memory in a process instead of fetching fresh pages at every step:
# a tenth of a small training's time. glibc reads these when a program starts; others ignore them.
_MALLOC = {
    "MALLOC_TOP_PAD_": str(64 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(64 << 20),
}


class StageProcess(Protocol):
    """A stage that runs."""

    def wait(self) -> int:
        """Return the exit code, once there is one; -N if signal N ended it."""
        ...

    def terminate(self) -> None:
        """Ask it to end: a stage then tidies up."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True)
class Command:
    """A command line of `dvc.yaml`, and where it runs."""

    line: str
    folder: str
    environ: Mapping[str, str]  # beside this process's own

    @property
    def module(self) -> str | None:
        """NAME of `python -m stages.NAME ...`; None for any other command."""
        words = shlex.split(self.line)
        own = words[:2] == ["python", "-m"] and words[2:] and words[2].startswith("stages.")
        return words[2] if own else None


class Processes:
    """Starts commands, as forks of the server where `served`."""

    def __init__(self, *, served: bool) -> None:
        for name, value in _MALLOC.items():  # the server and every stage inherit them
            os.environ.setdefault(name, value)
        self._context = get_context("forkserver") if served else None
        if self._context is not None:
            self._context.set_forkserver_preload([*PRELOADED])

    def start(self, command: Command, output: Path) -> StageProcess:
        """Start a command; `output` receives what it prints, errors too.

        The first stage starts the server, so that a run in which nothing has changed does not.
        """
        if self._context is None or command.module is None:
            return _own_process(command, output)
        _start_server()
        process = self._context.Process(target=_run, args=(command, output))
        with signals_held(), _ASKING:  # a start asks all earlier processes for their exit codes
            process.start()
        return _Fork(process)


def _start_server() -> None:
    """Start the server, unless it runs, with Ctrl-C and SIGTERM blocked: it ends with this process.

    It ignores Ctrl-C only when it has imported what is preloaded; until then it would print a
    traceback beside this process's own line.
    """
    resource_tracker.ensure_running()  # first: it unblocks signals
    with signals_held():
        forkserver.ensure_running()


# The server sends an exit code once. Of two threads that ask at the same time one reads it, and the
# other one is told 255.
_ASKING = Lock()


@dataclass(frozen=True)
class _Fork:
    process: BaseProcess

    def wait(self) -> int:
        connection.wait([self.process.sentinel])
        with _ASKING:
            self.process.join()
            return self.process.exitcode or 0

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        self.process.kill()


def _own_process(command: Command, output: Path) -> StageProcess:
    words = shlex.split(command.line)
    own = command.module is not None
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, *words[1:]] if own else command.line,
            shell=not own,
            cwd=command.folder,
            env={**os.environ, **command.environ, WITH_STARTER: "1"},
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def _run(command: Command, output: Path) -> None:
    """Do what `python -m stages.NAME ...` does, in a fork of the server."""
    module, *arguments = shlex.split(command.line)[2:]
    sys.argv = ["-m", *arguments]
    signal.signal(signal.SIGINT, interrupted_early)  # as `stages` does for a program of its own
    if hears_sigterm():
        signal.signal(signal.SIGTERM, interrupted_early)
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    except FileNotFoundError:  # its folder is gone: whoever asked was interrupted meanwhile
        os._exit(1)
    for standard in (1, 2):
        os.dup2(descriptor, standard)
    # Signals that came before have waited: the line is printed to `output`.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    os.environ.update(command.environ)
    os.chdir(command.folder)
    Thread(target=_end_with_parent, daemon=True).start()
    fingerprint.begin(module)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_parent() -> None:
    """End this stage as SIGTERM does when the program that started it has ended."""
    parent = parent_process()
    assert parent is not None, "forks are started by multiprocessing"
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
