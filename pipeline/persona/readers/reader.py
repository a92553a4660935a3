"""What a reader is, and by what a file is recognised."""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.errors import DataError
from pipeline.params import Data
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.shared.files import CorpusFile
from pipeline.persona.readers.shared.json_values import values_of
from pipeline.strict_json import first_problem


HEAD = 1 << 16  # bytes
_MOST_RECORDS = 20  # that are looked at


class Found(NamedTuple):
    """A conversation and where it begins, as messages name it."""

    place: str
    conversation: Conversation


@dataclass(frozen=True)
class Head:
    """The beginning of a file.

    Attributes:
        lines: that have text.
        records: the first JSON objects.
        columns: of a CSV file, in small letters.
        no_json: why a file that begins like JSON has no record; null: it has some.
    """

    lines: tuple[str, ...]
    records: tuple[dict[str, Any], ...]
    columns: frozenset[str]
    no_json: str | None = None


@dataclass(frozen=True)
class Reader:
    """A format.

    Attributes:
        name: as messages name it.
        recognises: whether a file is of this format.
        read: all conversations of files, in order.
    """

    name: str
    recognises: Callable[[Head], bool]
    read: Callable[[Sequence[CorpusFile], Data, Tally], Iterator[Found]]


def head_of(file: CorpusFile) -> Head:
    """Return the beginning of a file that has text."""
    with file.path.open("rb") as stream:
        text = stream.read(HEAD).decode("utf-8-sig", errors="replace")
    lines = tuple(line.strip() for line in text.split("\n") if line.strip())
    records, no_json = _records(file, lines)
    return Head(lines, records, _columns(lines), no_json)


def _records(
    file: CorpusFile, lines: Sequence[str]
) -> tuple[tuple[dict[str, Any], ...], str | None]:
    if not lines or lines[0][0] not in "[{":
        return (), None
    found: list[dict[str, Any]] = []
    tally = Tally(skip_broken=True)
    problem = None
    try:
        for value in values_of(file, tally):
            if isinstance(value.content, dict):
                found.append(value.content)
            if len(found) == _MOST_RECORDS:
                break
    except DataError as error:
        problem = str(error)  # its reader says it, if there is one
    first = next((left.first for left in tally.left_out.values()), problem)
    return tuple(found), None if found else first


def _columns(lines: Sequence[str]) -> frozenset[str]:
    try:
        row = next(csv.reader(lines[:1]), [])
    except csv.Error:
        return frozenset()
    return frozenset(name.strip().lower() for name in row)


def built(place: str, tally: Tally, content: object) -> Conversation | None:
    """Return a conversation from the content of a record; null: it is broken and left out.

    Raises:
        DataError: it is broken, and broken lines are not left out.
    """
    try:
        return Conversation.model_validate(content)
    except ValueError as error:
        tally.broken(place, f"not a conversation: {first_problem(error)}")
        return None
