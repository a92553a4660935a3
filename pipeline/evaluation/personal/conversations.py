"""Read conversations of people: JSON Lines, one conversation a line. No torch.

    {"person": "...", "persona": ["..."], "messages": [{"role": "user" | "assistant", ...}, ...]}

The assistant is the person to be learnt. Consecutive messages of one side are joined by line ends;
what nobody answers at the end is left out.
"""

from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.artifacts import parse_record
from pipeline.errors import DataError, one_line
from pipeline.persona.task.record import SILENCE, Dialogue, Turn


_FORMAT = (
    'each line must be a conversation, {"person": "...", "messages": '
    '[{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
)


class Message(BaseModel):
    """What one side says; other keys are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    role: Literal["user", "assistant"]
    content: str


class Conversation(BaseModel):
    """One conversation of a person; other keys are not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    person: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    persona: list[str] = []


def read_people(path: Path) -> dict[str, list[Dialogue]]:
    """Return each person's dialogues, in the file's order; ids are PERSON/0, PERSON/1, ...

    Raises:
        DataError: the file is missing, empty or of another format, or a conversation has no message
            of the person. The message names the line.
    """
    people: dict[str, list[Dialogue]] = {}
    for place, line in _lines(path):
        try:
            given = parse_record(line, Conversation, place)
        except DataError as error:
            raise DataError(f"{error}; {_FORMAT}") from error
        own = people.setdefault(given.person, [])
        turns = turns_of(given.messages)
        if not turns:
            raise DataError(
                f"{place}: {one_line(given.person)!r} says nothing; a conversation needs a message "
                'of the role "assistant", the person to be learnt'
            )
        persona = [sentence.strip() for sentence in given.persona if sentence.strip()]
        dialogue_id = f"{given.person}/{len(own)}"
        own.append(Dialogue(dialogue_id=dialogue_id, persona=persona, turns=turns))
    return people


def _lines(path: Path) -> list[tuple[str, bytes]]:
    """Return the lines that hold something, each with its place for messages."""
    if not path.is_file():
        raise DataError(f"{one_line(path)}: not found; a file of conversations is needed")
    lines = path.read_bytes().splitlines()
    found = [(f"{one_line(path)}:{n}", line) for n, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise DataError(f"{one_line(path)}: empty; {_FORMAT}")
    return found


def turns_of(messages: list[Message]) -> list[Turn]:
    """Return a conversation's exchanges; a person who speaks first answers silence."""
    turns: list[Turn] = []
    partner = SILENCE
    said = [(message.role, message.content.strip()) for message in messages]
    for role, of_one in groupby((m for m in said if m[1]), key=lambda message: message[0]):
        text = "\n".join(content for _, content in of_one)
        if role == "user":
            partner = text
        else:
            turns.append(Turn(partner=partner, reply=text))
            partner = SILENCE
    return turns
