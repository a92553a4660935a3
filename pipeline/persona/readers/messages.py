"""The documented format: JSON Lines (or an array) of `person`, `messages` and more."""

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.errors import one_line
from pipeline.params import Data
from pipeline.persona.conversation.record import ROLES, Conversation
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.reader import Found, Head, Reader, built
from pipeline.persona.readers.shared.files import CorpusFile
from pipeline.persona.readers.shared.json_values import values_of


def _recognises(head: Head) -> bool:
    return any("messages" in record for record in head.records)


def _read(files: Sequence[CorpusFile], data: Data, tally: Tally) -> Iterator[Found]:
    del data
    for file in files:
        for value in values_of(file, tally):
            place = file.at(value.line)
            if (problem := _problem(value.content)) is not None:
                tally.broken(place, problem)
                continue
            _note_unread(value.content, tally)
            given = built(place, tally, value.content)
            if given is not None:
                split = given.split or file.split
                yield Found(place, given.model_copy(update={"split": split}))


def _problem(content: object) -> str | None:
    """Say what is wrong in the user's words, where the record's own words would be a riddle."""
    if not isinstance(content, dict):
        return f"an object with person and messages was expected, found {type(content).__name__}"
    if content.get("person") in (None, ""):
        return 'no "person": say whose conversation it is, so that those of one person are one task'
    messages = content.get("messages")
    for message in messages if isinstance(messages, list) else ():
        role = message.get("role") if isinstance(message, dict) else None
        if role is not None and role not in ROLES:
            return (
                f"unknown role {one_line(repr(role), 60)}; one of {', '.join(ROLES)} was expected"
            )
    return None


def _note_unread(content: Any, tally: Tally) -> None:
    unread = sorted(map(str, content.keys() - Conversation.model_fields.keys()))
    if unread:
        tally.note(f"keys that are not read: {one_line(', '.join(unread))}")


READER = Reader("JSON Lines of person and messages", _recognises, _read)
