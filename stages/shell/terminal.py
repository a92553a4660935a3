r"""The terminal as it may be used: nothing printed is obeyed, cut short by markup, or undoes work.

What others wrote (texts, names, paths) is shown as it is: brackets are no markup, controls appear
as \x1b. A terminal that cannot show a letter, or that is gone, is no reason for a stage to fail.
"""

import errno
import io
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pipeline.errors import visible


_SIZES = ("COLUMNS", "LINES", "TERMINAL_WIDTH")  # of the environment; the last is typer's
_A_SIZE = re.compile("[1-9][0-9]{0,8}")


class Terminal(Console):
    """A console without markup and emoji codes, whose printing cannot fail."""

    def __init__(self, *, stderr: bool = False) -> None:
        _forget_sizes_that_are_none()
        super().__init__(stderr=stderr, soft_wrap=True, markup=False, emoji=False)
        self._lost: OSError | None = None

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `Console.print` does; if the terminal is gone or full, print no more."""
        try:
            super().print(*(_shown(o) if isinstance(o, str) else o for o in objects), **options)
            self.file.flush()
        except OSError as error:
            self._lost = self._lost or error
            _to_nowhere(self.file)

    def require_all_said(self) -> None:
        """Fail if what was printed is cut off, for a command that has nothing else to give.

        A reader that has read enough, as `head` does, is no failure.

        Raises:
            OSError: why it was cut, e.g. a full disk that stdout leads to.
        """
        if self._lost is not None and self._lost.errno != errno.EPIPE:
            raise self._lost

    def on_broken_pipe(self) -> None:
        """Print no more; `Console` would end the stage."""
        _to_nowhere(self.file)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of anything that is printed, controls made visible."""
        for segment in super().render(renderable, options):
            own = segment.control or segment.text.replace("\n", "").isprintable()
            yield segment if own else Segment(_shown(segment.text), segment.style)


def _forget_sizes_that_are_none() -> None:
    """Take a size that is no number out of the environment: rich and typer would fail on it.

    `²` is a digit to Python, and no number; of thousands of digits it makes none, either.
    """
    for name in _SIZES:
        if not _A_SIZE.fullmatch(os.environ.get(name, "1")):
            del os.environ[name]


def _shown(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))


def replace_what_cannot_be_shown() -> None:
    r"""Let stdout and stderr write \u03c6 where their encoding has no φ."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _to_nowhere(file: Any) -> None:
    """Lead a stream that cannot be written away: Python's end would fail on it as well."""
    stream: TextIO = getattr(file, "rich_proxied_file", file)
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
