"""A stage as a fork of a server that has imported torch: the way `make repro` starts it.

Importing takes most of a toy stage's time. A fork imports the project's own code itself.
"""

import os
import signal
import time
from functools import cache
from multiprocessing.process import BaseProcess
from pathlib import Path
from shlex import join
from tempfile import mkdtemp

from stages.shell.stage_process import Command, Processes
from tests.wiring.closure import ROOT


@cache
def _server() -> tuple[Processes, Path]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the server imports torch
    os.environ["PYTHONPATH"] = str(ROOT)
    return Processes(served=True), Path(mkdtemp(prefix="faults-"))


class Fork:
    """A running stage.

    Attributes:
        pid: its process.
    """

    def __init__(self, process: BaseProcess, output: Path) -> None:
        assert process.pid is not None
        self._process, self._output = process, output
        self.pid = process.pid

    def poll(self) -> int | None:
        """Return the exit code, if there is one."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def finished(self, longest: float) -> tuple[int, str]:
        """Wait; return the exit code and what was said, on stdout too."""
        self._process.join(longest)
        code = self._process.exitcode
        if code is None:
            self.kill()
            return -signal.SIGKILL, f"it had not ended after {longest:.0f} s"
        said = self._output.read_text(encoding="utf-8") if self._output.exists() else ""
        self._output.unlink(missing_ok=True)
        return code, said


def started(folder: Path, *words: str, **environ: str) -> Fork:
    """Start a stage in a folder, as a fork."""
    processes, place = _server()
    output = place / f"{time.monotonic_ns()}"
    line = join(["python", "-m", f"stages.{words[0]}", *words[1:]])
    environ = {"NO_PROXY": "127.0.0.1", **environ}
    process = processes.start(Command(line, str(folder), environ), output)
    return Fork(process.process, output)  # type: ignore[attr-defined]  # a fork, since served
