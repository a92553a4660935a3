"""One split's conversations in JSON Lines, as stage `download` writes them."""

from array import array
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, MissingFileError, one_line
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.task.record import SILENCE, Split
from pipeline.persona.tasks.by_index import ByIndex
from pipeline.persona.tasks.parser import Exchange, ParsedDialogue


class ConversationFile(ByIndex[ParsedDialogue]):
    """One split's file, checked once; a dialogue is read again when it is asked for.

    Attributes:
        persons: each dialogue's person, in file order; equal names are one object.
        exchanges: the number of each dialogue's exchanges.

    Raises:
        MissingFileError: the file does not exist.
        DataError: a line is no conversation whose sides alternate; the message names the line.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingFileError(path, "download")
        self._path = path
        self._starts = array("Q")  # the first byte of each line
        self.persons: list[str] = []
        self.exchanges: list[int] = []
        known: dict[str, str] = {}
        for byte, _, record in self._records():
            self._starts.append(byte)
            self.persons.append(known.setdefault(str(record.person), str(record.person)))
            self.exchanges.append(len(exchanges_of(record)))
        if not self.persons:
            raise DataError(f"{path}: empty; a split needs at least one conversation")

    def people(self) -> list[list[int]]:
        """Return the indices of each person's dialogues, in the order of their first ones."""
        members: dict[str, list[int]] = {}
        for index, person in enumerate(self.persons):
            members.setdefault(person, []).append(index)
        return list(members.values())

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[ParsedDialogue]:
        return (_dialogue(record, number) for _, number, record in self._records())

    def at(self, index: int) -> ParsedDialogue:
        """Read one dialogue again."""
        with self._path.open("rb") as file:
            file.seek(self._starts[index])
            return _dialogue(self._record(file.readline(), index + 1), index + 1)

    def _records(self) -> Iterator[tuple[int, int, Conversation]]:
        byte = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield byte, number, self._record(line, number)
                byte += len(line)

    def _record(self, line: bytes, number: int) -> Conversation:
        place = f"{self._path}:{number}"
        record = artifacts.parse_record(line, Conversation, place)
        roles = [message.role for message in record.messages]
        alternate = all(one != other for one, other in pairwise(roles))
        if record.person is None or "system" in roles or not alternate or roles[-1] == "user":
            raise DataError(
                f"{place}: no conversation of a person whose sides alternate up to a reply; delete "
                f"{self._path.parent} and run stage download"
            )
        return record


def check_apart(splits: Mapping[Split, ConversationFile]) -> None:
    """Refuse a person in two splits.

    Raises:
        DataError: names the person.
    """
    known: dict[str, Split] = {}
    for split, file in splits.items():
        for person in dict.fromkeys(file.persons):
            if known.setdefault(person, split) != split:
                raise DataError(
                    f"{one_line(person)}: in {known[person]} and in {split}; a person is in one "
                    "split; delete data/raw and run stage download"
                )


def _dialogue(record: Conversation, line: int) -> ParsedDialogue:
    return ParsedDialogue(line, list(record.persona), exchanges_of(record))


def exchanges_of(record: Conversation) -> list[Exchange]:
    """Return the exchanges of a tidied conversation; a person who begins answers silence."""
    offered = iter(record.candidates or ())
    exchanges = []
    partner = SILENCE
    for message in record.messages:
        if message.role == "user":
            partner = message.content
            continue
        candidates = next(offered, None)
        exchanges.append(
            Exchange(partner, message.content, _gold_last(candidates, message.content))
        )
        partner = SILENCE
    return exchanges


def _gold_last(candidates: list[str] | None, reply: str) -> tuple[str, ...] | None:
    """Return the candidates with the reply at the end, where Persona-chat's text has it."""
    if candidates is None:
        return None
    place = candidates.index(reply)
    return (*candidates[:place], *candidates[place + 1 :], reply)
