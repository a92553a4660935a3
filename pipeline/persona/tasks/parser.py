"""Parse Persona-chat's text format line by line. Nothing is lost, and every error names its line.

    1 your persona: i have two dogs.
    2 hi , how are you ?<TAB>i am fine .<TAB><TAB>candidate 1|...|candidate 20

Numbers start again at 1 with each dialogue. The candidates are optional; the last of them is the
gold reply. Blank lines are skipped.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DataError, MissingFileError


PERSONA = "your persona:"
PARTNER_PERSONA = "partner's persona:"
NUM_CANDIDATES = 20


@dataclass(frozen=True)
class Exchange:
    """The partner's utterance, the person's reply, and its candidates, if the file has any."""

    partner: str
    reply: str
    candidates: tuple[str, ...] | None


@dataclass
class ParsedDialogue:
    """One dialogue of the file."""

    line: int  # of its first line, from 1
    persona: list[str] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)


_NUMBERED = re.compile(r"([0-9]{1,9}) (.*)", re.DOTALL)


class _FormatError(Exception):
    """A line has a wrong format; `parse` adds file and line number to the message."""


def parse_file(path: Path) -> list[ParsedDialogue]:
    """Parse one split's file.

    Raises:
        MissingFileError: the file does not exist.
        DataError: a line has a wrong format; the message names file, line and expectation.
    """
    if not path.is_file():
        raise MissingFileError(path, "download")
    content = path.read_bytes()  # as text, a lone carriage return would end a line
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: not UTF-8 text ({error.reason}), as Persona-chat's files are; "
            "convert it"
        ) from error
    return parse(text, origin=str(path))


def parse(text: str, *, origin: str) -> list[ParsedDialogue]:
    """Parse a split's text; `origin` names it in errors.

    Raises:
        DataError: a line has a wrong format; the message names origin, line and expectation.
    """
    dialogues: list[ParsedDialogue] = []
    expected = number = 1
    try:
        for number, line in _lines(text):
            index, content = _numbered(line)
            if index == 1:
                _check_ended(dialogues)
                dialogues.append(ParsedDialogue(number))
            elif index != expected:
                raise _FormatError(_misnumbered(index, expected))
            expected = index + 1
            _add(dialogues[-1], content)
        _check_ended(dialogues)
    except _FormatError as error:
        raise DataError(f"{origin}:{number}: {error}") from error
    if not dialogues:
        raise DataError(f"{origin}:1: empty; a split needs at least one dialogue")
    return dialogues


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of all lines that are not blank. Only a line feed ends a line."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.removesuffix("\r")
        if stripped.strip():
            yield number, stripped


def _numbered(line: str) -> tuple[int, str]:
    match = _NUMBERED.fullmatch(line)
    if match is None:
        raise _FormatError(
            f"a line number and a blank were expected, found {line[:40]!r}; "
            "is this a *_self_original.txt file of Persona-chat?"
        )
    return int(match[1]), match[2]


def _misnumbered(index: int, expected: int) -> str:
    wanted = "1" if expected == 1 else f"{expected}, or 1 for a new dialogue,"
    return f"line number {index} where {wanted} was expected; is a part of the file missing?"


def _add(dialogue: ParsedDialogue, content: str) -> None:
    if content.startswith(PERSONA):
        if dialogue.exchanges:
            raise _FormatError("a persona sentence after the first exchange")
        dialogue.persona.append(_sentence(content))
        return
    if content.startswith(PARTNER_PERSONA):
        raise _FormatError("a persona of the partner; use the *_self_original.txt files")
    if not dialogue.persona:
        raise _FormatError(
            f"an exchange without a {PERSONA!r} line before it; use the *_self_original.txt files"
        )
    fields = content.split("\t")
    if len(fields) not in (2, 4):
        raise _FormatError(
            f"'partner TAB reply' or 'partner TAB reply TAB TAB candidates' was expected, "
            f"found {len(fields) - 1} tabs"
        )
    candidates = _candidates(fields[3], fields[1].strip()) if len(fields) == 4 else None
    dialogue.exchanges.append(Exchange(fields[0].strip(), fields[1].strip(), candidates))


def _sentence(content: str) -> str:
    sentence = content.removeprefix(PERSONA).strip()
    if not sentence:
        raise _FormatError("an empty persona sentence")
    return sentence


def _candidates(text: str, reply: str) -> tuple[str, ...]:
    candidates = tuple(candidate.strip() for candidate in text.split("|"))
    if len(candidates) != NUM_CANDIDATES:
        raise _FormatError(f"{len(candidates)} candidates, {NUM_CANDIDATES} were expected")
    if reply not in candidates:
        raise _FormatError(f"the reply, {reply!r}, is not among its candidates")
    if candidates[-1] != reply:
        raise _FormatError(f"the last candidate must be the reply, found {candidates[-1]!r}")
    return candidates


def _check_ended(dialogues: Sequence[ParsedDialogue]) -> None:
    if dialogues and not dialogues[-1].exchanges:
        raise _FormatError(f"the dialogue that starts at line {dialogues[-1].line} has no exchange")
