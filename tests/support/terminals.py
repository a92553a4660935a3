"""A command in a pseudo-terminal of its own, typed to as a person would."""

import os
import pty
import select
import signal
import sys
import time

from tests.wiring.closure import ROOT


class Typed:
    """A command whose terminal a test reads and types into."""

    def __init__(self, *words, folder):
        self.said = ""
        self._prompted = False
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            more = {"PYTHONPATH": str(ROOT), "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
            more |= {"OMP_NUM_THREADS": "1", "COLUMNS": "100", "LINES": "40"}
            os.execve(sys.executable, [sys.executable, "-m", *words], os.environ | more)

    def until(self, text, seconds=60):
        """Read until the terminal shows `text`; return what stands before it."""
        end = time.monotonic() + seconds
        while text not in self.said:
            if not self._read(end):
                raise AssertionError(f"{text!r} did not come; the terminal shows:\n{self.said}")
        before, _, self.said = self.said.partition(text)
        return before + text

    def more(self, count, seconds=60):
        """Read until the terminal shows so many characters more."""
        end = time.monotonic() + seconds
        while len(self.said) < count:
            assert self._read(end), self.said
        self.said = ""

    def _read(self, end):
        left = end - time.monotonic()
        ready = left > 0 and select.select([self._fd], [], [], left)[0]
        try:
            new = os.read(self._fd, 4096) if ready else b""
        except OSError:  # the command has ended
            return False
        self.said += new.decode(errors="replace")
        return bool(new)

    def type(self, text):
        os.write(self._fd, text.encode())

    def line(self, text, prompt="you>"):
        """Wait for the prompt, type a line, and return what comes until the next prompt."""
        if not self._prompted:
            self.until(prompt)
        self.type(text + "\r")
        self.until("\n")  # the line as the prompt shows it
        answer = self.until(f"\x1b[0m{prompt}")
        self._prompted = True
        return answer

    def end(self, seconds=60):
        """Wait for the command; return its exit code."""
        end = time.monotonic() + seconds
        while self._read(end):
            pass
        assert time.monotonic() < end, self.said
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        os.close(self._fd)
        return os.waitstatus_to_exitcode(status)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            os.close(self._fd)
