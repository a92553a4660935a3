"""Synthetic-Persona-Chat's CSV: two personas and a conversation of `User 1` and `User 2` a row."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence

from pipeline.errors import one_line
from pipeline.params import Data
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.reader import Found, Head, Reader
from pipeline.persona.readers.shared.files import CorpusFile, lines_of
from pipeline.persona.readers.shared.speakers import Said, views


PERSONAS = ("user 1 personas", "user 2 personas")
CONVERSATION = "best generated conversation"
LARGEST_CELL = 16 << 20  # characters
_SAID = re.compile(r"\s*(?P<speaker>user\s*[12])\s*:\s*(?P<text>.*)", re.IGNORECASE | re.DOTALL)


def _recognises(head: Head) -> bool:
    return head.columns >= {*PERSONAS, CONVERSATION}


def _read(files: Sequence[CorpusFile], data: Data, tally: Tally) -> Iterator[Found]:
    del data
    csv.field_size_limit(LARGEST_CELL)
    for file in files:
        rows = _rows(file, tally)
        for place, row in rows:
            said = _said(row[CONVERSATION])
            if said is None:
                tally.broken(place, "the conversation does not begin with 'User 1:' or 'User 2:'")
                continue
            personas = {f"user {n}": row[PERSONAS[n - 1]].splitlines() for n in (1, 2)}
            for view in views(
                said, conversation=place, personas=personas, split=file.split, named=False
            ):
                if any(sentence.strip() for sentence in view.persona):
                    yield Found(place, view)
                else:
                    tally.leave_out("views of a speaker without a persona", place)


def _rows(file: CorpusFile, tally: Tally) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each row with its place; a column is known by its name."""
    names: list[str] = []
    numbered = _Numbered(file, tally)
    reader = csv.reader(numbered, strict=False)
    while True:
        first = numbered.number + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            tally.broken(file.at(first), f"not CSV ({one_line(error)})")
            continue
        if not names:
            names = [name.strip().lower() for name in row]
        elif len(row) != len(names):
            tally.broken(file.at(first), f"{len(row)} columns, {len(names)} were expected")
        else:
            yield file.at(first), dict(zip(names, row, strict=True))


class _Numbered:
    """The lines of a file with their ends; `number` is the last one's."""

    def __init__(self, file: CorpusFile, tally: Tally) -> None:
        self._lines = lines_of(file, tally)
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number = line.number
            yield line.text + "\n"


def _said(text: str) -> list[Said] | None:
    """Return who says what; a line without a speaker goes on with what was said before."""
    said: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if match := _SAID.match(line):
            speaker = f"user {match['speaker'][-1]}"
            said.append((speaker, [match["text"]]))
        elif line.strip():
            if not said:
                return None
            said[-1][1].append(line.strip())
    return [Said(speaker, "\n".join(lines)) for speaker, lines in said] or None


READER = Reader("Synthetic-Persona-Chat's CSV", _recognises, _read)
