"""JSON of any size in pieces: JSON Lines, an array of records, an object of such arrays."""

import json
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

from pipeline.errors import DataError, one_line
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.shared.files import CorpusFile, lines_of
from pipeline.strict_json import DECODER, first_problem, refuse_halves, strict_loads


LARGEST_RECORD = 64 << 20  # characters
_CHUNK = 1 << 18
_NEAR_THE_END = 16  # characters: an error there may be a value that is cut off
_BLANKS = " \t\r\n"
_HEAD = 1 << 16  # bytes by which the layout is told
_SPLITS = re.compile(r'\{\s*"(train|valid|validation|val|dev|test|data)"\s*:\s*\[')


class Value(NamedTuple):
    """A record and where it begins; `key`: of the array in an object that holds it."""

    line: int
    key: str | None
    content: object


def values_of(file: CorpusFile, tally: Tally) -> Iterator[Value]:
    """Yield a file's records, one in memory at a time.

    Raises:
        DataError: a line of JSON Lines is no JSON, and broken lines are not left out; or an array
            is not JSON at some place: what follows cannot be told apart then.
    """
    if _is_lines(file):
        for line in lines_of(file, tally):
            try:
                yield Value(line.number, None, strict_loads(line.text.encode()))
            except (ValueError, RecursionError) as error:
                tally.broken(file.at(line.number), f"not JSON ({first_problem(error)})")
        return
    with file.path.open(encoding="utf-8-sig", newline="") as stream:
        for value in _Scanner(stream, file).records():
            try:
                refuse_halves(value)
            except (ValueError, RecursionError) as error:
                tally.broken(file.at(value.line), first_problem(error))
                continue
            yield value


def _is_lines(file: CorpusFile) -> bool:
    """Say whether a file is JSON Lines: no array, no object of splits or over many lines."""
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD).decode("utf-8-sig", errors="replace").lstrip()
    first_line = head.partition("\n")[0].strip()
    return not (head.startswith("[") or first_line == "{" or _SPLITS.match(head))


def _is_cut_off(error: Exception, text: str) -> bool:
    """Say whether an error may come from the end of what has been read, and not from the text."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    near = len(text) - error.pos <= _NEAR_THE_END
    return near or error.msg.startswith("Unterminated string")


class _Scanner:
    """Walks over an array, or an object of arrays, and decodes a record at a time."""

    def __init__(self, stream: IO[str], file: CorpusFile) -> None:
        self._stream = stream
        self._file = file
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    def records(self) -> Iterator[Value]:
        try:
            opening = self._next()
            if opening == "[":
                yield from self._array(None)
            elif opening == "{":
                yield from self._object()
            else:
                raise self._wrong("an array or an object was expected")
            if rest := self._next(optional=True):
                raise self._wrong(f"{rest!r} behind the last value")
        except UnicodeDecodeError as error:
            raise self._wrong(f"not UTF-8 text ({error.reason})") from error

    def _object(self) -> Iterator[Value]:
        while (found := self._next()) != "}":
            if found == ",":
                continue
            self._at -= 1
            key = self._value()
            if not isinstance(key, str) or self._next() != ":" or self._next() != "[":
                raise self._wrong("a name with an array of records was expected")
            yield from self._array(key)

    def _array(self, key: str | None) -> Iterator[Value]:
        separated = True
        while (found := self._next()) != "]":
            if found == ",":
                if separated:
                    raise self._wrong("two commas")
                separated = True
                continue
            if not separated:
                raise self._wrong("a comma was expected")
            separated = False
            self._at -= 1
            line = self._line
            yield Value(line, key, self._value())

    def _next(self, *, optional: bool = False) -> str:
        """Return the next character that is no blank, and go behind it."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                self._at += 1
                self._line += character == "\n"
                if character not in _BLANKS:
                    return character
            if not self._more():
                if optional:
                    return ""
                raise self._wrong("the file ends within a value; is a part of it missing?")

    def _value(self) -> object:
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                small = len(self._text) - self._at < LARGEST_RECORD
                if _is_cut_off(error, self._text) and small and self._more():
                    continue
                raise self._wrong(f"not JSON ({first_problem(error)})") from error
            if end == len(self._text) and self._more():  # a number may go on
                continue
            self._line += self._text.count("\n", self._at, end)
            self._at = end
            return value

    def _more(self) -> bool:
        """Read on; twice as much as what is not used yet, so that a long record costs little."""
        if self._ended:
            return False
        self._text = self._text[self._at :]
        self._at = 0
        chunk = self._stream.read(max(_CHUNK, len(self._text)))
        self._text += chunk
        self._ended = not chunk
        return bool(chunk)

    def _wrong(self, problem: str) -> DataError:
        return DataError(
            f"{one_line(self._file.at(self._line))}: {problem}; what follows cannot be told apart: "
            "mend it, or write one record a line (JSON Lines)"
        )
