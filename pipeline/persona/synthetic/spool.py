"""Texts that are kept on disk while a corpus is written: memory holds a place for each, no text."""

import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path


class Spool:
    """Texts in the order in which they come, read again by their numbers.

    The file has no name in its folder, so nothing stays if the process is killed.

    Args:
        folder: where the file is; null: the system's folder for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open until `close`
        self._ends = array("Q", [0])
        self._flushed = True

    def add(self, text: str) -> None:
        """Add a text."""
        line = text.encode()
        self._file.write(line)
        self._ends.append(self._ends[-1] + len(line))
        self._flushed = False

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> str:
        if not self._flushed:
            self._file.flush()
            self._flushed = True
        begin, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._file.fileno(), end - begin, begin).decode()

    def close(self) -> None:
        """Delete the texts."""
        self._file.close()
