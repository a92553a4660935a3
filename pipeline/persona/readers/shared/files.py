"""Files of a corpus that is not trusted: which there are, their lines in bounded memory."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import IO, NamedTuple, cast

from pipeline.errors import DataError, one_line, public
from pipeline.params.inputs import leads_out, place_of
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.task.record import Split


LONGEST_LINE = 16 << 20  # bytes
MOST_FILES = 100_000
BOM = b"\xef\xbb\xbf"
_SPLITS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid"}
_SPLITS |= {"dev": "valid", "test": "test"}


@dataclass(frozen=True)
class CorpusFile:
    """A file, and its name within what the user gave."""

    path: Path
    name: str

    @property
    def split(self) -> Split | None:
        """The split that the file's name says, e.g. of `valid_both_revised.txt`."""
        return split_named(Path(self.name).name)

    def at(self, line: int) -> str:
        """Return a place in the file, as messages name it."""
        return f"{self.name}:{line}"


def split_named(text: str) -> Split | None:
    """Return the split that is a word of a text, e.g. of `validation` or `dev.json`."""
    words = re.split(r"[^a-z]+", text.lower())
    named = {_SPLITS[word] for word in words if word in _SPLITS}
    return cast(Split, named.pop()) if len(named) == 1 else None


class Line(NamedTuple):
    """A line without its end; `number` counts from 1."""

    number: int
    byte: int
    text: str


def files_of(given: str) -> list[CorpusFile]:
    """Return the files that a path names: a file, all files of a folder, or those of a pattern.

    Hidden files are left out. Files come in the order of their names. What the user gives may be a
    link itself.

    Raises:
        DataError: there is none, or one is a link out of the folder.
    """
    if "://" in given:
        raise DataError(f"{public(given)}: no path; give a file, a folder or a pattern")
    if not given.strip():
        raise DataError("the path is empty; give a file, a folder or a pattern")
    path = place_of(given, "data.source")
    if path.is_file():
        return [CorpusFile(path, text_of(path.name))]
    if path.is_dir():
        root = folder = path
        found = path.rglob("*")
    elif has_magic(given):
        absolute = path.is_absolute()
        root = Path(path.anchor) if absolute else Path()
        found = root.glob(str(path.relative_to(root)) if absolute else str(path))
        folder = Path(*takewhile(lambda part: not has_magic(part), path.parts))
    else:
        raise DataError(f"{one_line(given)}: no such file or folder; check the path")
    kept = sorted(file for file in found if file.is_file() and not file.name.startswith("."))
    if not kept:
        raise DataError(f"{one_line(given)}: no file in it; give a file, a folder or a pattern")
    if len(kept) > MOST_FILES:
        raise DataError(f"{one_line(given)}: {len(kept)} files, over {MOST_FILES}; give fewer")
    shown = path if path.is_dir() else _common(kept)
    return [
        CorpusFile(refuse_link_out(file, folder), text_of(file.relative_to(shown).as_posix()))
        for file in kept
    ]


def refuse_link_out(file: Path, folder: Path) -> Path:
    """Return a file of a corpus folder, once it was looked at.

    Raises:
        DataError: it is a link out of the folder: a stranger's would make a file of the user's
            part of the corpus.
    """
    if leads_out(file, folder):
        raise DataError(
            f"{one_line(file)}: a link out of {one_line(folder)}, whose own files alone are read; "
            "put the file itself there, delete the link, or name the file itself as the corpus"
        )
    return file


def text_of(name: str) -> str:
    r"""Return a file's name as text: a byte that is no UTF-8 as `\xff`. Names are recorded."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _common(files: list[Path]) -> Path:
    folders = {file.parent for file in files}
    return folders.pop() if len(folders) == 1 else Path(files[0].anchor)


def lines_of(file: CorpusFile, tally: Tally, *, byte: int = 0, number: int = 1) -> Iterator[Line]:
    """Yield a file's lines that have text, from one on. Only a line feed ends a line.

    Raises:
        DataError: a line is no UTF-8 text or too long, and broken lines are not left out.
    """
    with file.path.open("rb") as stream:
        stream.seek(byte)
        while line := stream.readline(LONGEST_LINE + 1):
            length = len(line)
            if length > LONGEST_LINE:
                length += _rest_of_line(stream)
                tally.broken(file.at(number), f"a line of over {LONGEST_LINE} bytes")
            elif (text := _decoded(line, file.at(number), tally, first=byte == 0)).strip():
                yield Line(number, byte, text)
            number += 1
            byte += length


def _rest_of_line(stream: IO[bytes]) -> int:
    length = 0
    while part := stream.readline(LONGEST_LINE):
        length += len(part)
        if part.endswith(b"\n"):
            break
    return length


def _decoded(line: bytes, place: str, tally: Tally, *, first: bool) -> str:
    """Return a line's text; an empty one if it is broken and left out."""
    content = line.removeprefix(BOM) if first else line
    try:
        return content.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError as error:
        tally.broken(place, f"not UTF-8 text ({error.reason})")
        return ""
