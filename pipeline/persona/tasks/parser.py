"""Parse Persona-chat's text format line by line. Nothing is lost, and every error names its line.

    1 your persona: i have two dogs.
    2 hi , how are you ?<TAB>i am fine .<TAB><TAB>candidate 1|...|candidate 20

Numbers start again at 1 with each dialogue. The candidates are optional; the last of them is the
gold reply. Blank lines are skipped. This is Persona-chat's layout `self`; `parse_block` reads the
others, too, in which the partner's persona stands there, or none.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pipeline.errors import DataError, MissingFileError, one_line
from pipeline.persona.task.record import MOST_SENTENCES, NUM_CANDIDATES
from pipeline.persona.tasks.by_index import ByIndex


PERSONA = "your persona:"
PARTNER_PERSONA = "partner's persona:"
LONGEST_LINE = 4 << 20  # bytes


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
    partner_persona: list[str] = field(default_factory=list)
    byte: int = field(default=0, compare=False)  # of the file, where that line begins


_NUMBERED = re.compile(r"([0-9]{1,9}) (.*)", re.DOTALL)


class _FormatError(Exception):
    """A line has a wrong format; `parse` adds file and line number to the message."""


class LineError(DataError):
    """A line has a wrong format.

    Attributes:
        line: its number, from 1.
        problem: what is wrong, without the place.
    """

    def __init__(self, origin: str, line: int, problem: str) -> None:
        super().__init__(f"{origin}:{line}: {problem}")
        self.line = line
        self.problem = problem


class DialogueFile(ByIndex[ParsedDialogue]):
    """One split's file, parsed once as a check; a dialogue is read again when it is asked for.

    In memory are each dialogue's place, its persona sentences as numbers, and each sentence once.

    Raises:
        MissingFileError: the file does not exist.
        DataError: a line has a wrong format; the message names file, line and expectation.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = array("Q")  # of each dialogue the line's number, and the byte
        self._numbers, self._ends = array("I"), array("Q", [0])  # of each persona's sentences
        self._sentences = known = dict[str, int]()
        for dialogue in self._from(1, 0):
            self._starts.extend((dialogue.line, dialogue.byte))
            self._numbers.extend(known.setdefault(s, len(known)) for s in dialogue.persona)
            self._ends.append(len(self._numbers))

    def personas(self) -> Iterator[list[str]]:
        """Yield each dialogue's persona sentences, in file order."""
        names = [*self._sentences]
        for begin, end in pairwise(self._ends):
            yield [names[number] for number in self._numbers[begin:end]]

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[ParsedDialogue]:
        return self._from(1, 0)

    def at(self, index: int) -> ParsedDialogue:
        """Read one dialogue again."""
        return next(self._from(*self._starts[2 * index : 2 * index + 2]))

    def _from(self, number: int, byte: int) -> Iterator[ParsedDialogue]:
        return _dialogues(_lines_of(self._path, number, byte), str(self._path))


def parse_file(path: Path) -> list[ParsedDialogue]:
    """Parse one split's file, all in memory; it raises what `DialogueFile` raises."""
    return list(_dialogues(_lines_of(path, 1, 0), str(path)))


def parse(text: str, *, origin: str) -> list[ParsedDialogue]:
    """Parse a split's text; `origin` names it in errors.

    Raises:
        DataError: a line has a wrong format; the message names origin, line and expectation.
    """
    lines = ((number, 0, line) for number, line in enumerate(text.split("\n"), start=1))
    return list(_dialogues(lines, origin))


def parse_block(lines: Sequence[tuple[int, str]], *, origin: str) -> ParsedDialogue:
    """Parse the lines of one dialogue, with their numbers, in any layout of Persona-chat.

    Raises:
        LineError: a line has a wrong format.
    """
    numbered = ((number, 0, line) for number, line in lines)
    (dialogue,) = _dialogues(numbered, origin, any_layout=True)
    return dialogue


def _dialogues(
    lines: Iterator[tuple[int, int, str]], origin: str, *, any_layout: bool = False
) -> Iterator[ParsedDialogue]:
    """Yield each dialogue once it is whole, from (number, first byte, line) of each line."""
    dialogue: ParsedDialogue | None = None
    expected = number = 1
    try:
        for number, byte, line in lines:
            if not line.strip():
                continue
            index, content = _numbered(line.removesuffix("\r"))
            if index == 1:
                if dialogue is not None:
                    _check_ended(dialogue)
                    yield dialogue
                dialogue = ParsedDialogue(number, byte=byte)
            elif index != expected or dialogue is None:
                raise _FormatError(_misnumbered(index, expected))
            expected = index + 1
            _add(dialogue, content, any_layout=any_layout)
        if dialogue is None:
            raise DataError(f"{origin}:1: empty; a split needs at least one dialogue")
        _check_ended(dialogue)
    except _FormatError as error:
        raise LineError(origin, number, str(error)) from error
    yield dialogue


def _lines_of(path: Path, number: int, byte: int) -> Iterator[tuple[int, int, str]]:
    """Yield the lines of a file from one on. Only a line feed ends a line, not a lone return."""
    if not path.is_file():
        raise MissingFileError(path, "download")
    with path.open("rb") as file:
        file.seek(byte)
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise DataError(f"{path}:{number}: a line of over {LONGEST_LINE} bytes; shorten it")
            try:
                yield number, byte, line.removesuffix(b"\n").decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}:{number}: not UTF-8 text ({error.reason}), as Persona-chat's files "
                    "are; convert it"
                ) from error
            number += 1
            byte += len(line)


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


def _add(dialogue: ParsedDialogue, content: str, *, any_layout: bool) -> None:
    for mark, persona in ((PERSONA, "persona"), (PARTNER_PERSONA, "partner_persona")):
        if content.startswith(mark) and (any_layout or mark == PERSONA):
            if dialogue.exchanges:
                raise _FormatError("a persona sentence after the first exchange")
            known = getattr(dialogue, persona)
            if len(known) >= MOST_SENTENCES:
                raise _FormatError(f"a persona of over {MOST_SENTENCES} sentences; shorten it")
            known.append(_sentence(content, mark))
            return
    if content.startswith(PARTNER_PERSONA):
        raise _FormatError("a persona of the partner; use the *_self_original.txt files")
    if not dialogue.persona and not any_layout:
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


def _shown(text: str) -> str:
    return f"'{one_line(text)}'"


def _sentence(content: str, mark: str) -> str:
    sentence = content.removeprefix(mark).strip()
    if not sentence:
        raise _FormatError("an empty persona sentence")
    return sentence


def _candidates(text: str, reply: str) -> tuple[str, ...]:
    candidates = tuple(candidate.strip() for candidate in text.split("|"))
    if len(candidates) != NUM_CANDIDATES:
        raise _FormatError(f"{len(candidates)} candidates, {NUM_CANDIDATES} were expected")
    if reply not in candidates:
        raise _FormatError(f"the reply, {_shown(reply)}, is not among its candidates")
    if candidates[-1] != reply:
        raise _FormatError(f"the last candidate must be the reply, found {_shown(candidates[-1])}")
    return candidates


def _check_ended(dialogue: ParsedDialogue) -> None:
    if not dialogue.exchanges:
        raise _FormatError(f"the dialogue that starts at line {dialogue.line} has no exchange")
