"""Read conversations of people, in any format that a corpus may have. No torch."""

from pathlib import Path

from pipeline.errors import DataError, one_line
from pipeline.params import Data
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.conversation.tidy import tidy
from pipeline.persona.corpus.census import Census
from pipeline.persona.corpus.copies import had_once
from pipeline.persona.corpus.split import HAD
from pipeline.persona.readers.recognise import recognised
from pipeline.persona.task.record import Dialogue, Turn
from pipeline.persona.tasks.conversations import exchanges_of


def read_people(path: Path, data: Data, tally: Tally) -> dict[str, list[Dialogue]]:
    """Return each person's dialogues, in the file's order; ids are PERSON/0, PERSON/1, ...

    They are read, tidied and grouped as stage `download` does it. What a person has twice, word for
    word or for the most part, counts once: a copy of the dialogue that is held out would be adapted
    to.

    Args:
        path: a file, or a folder of files of one format.
        data: how to read it.
        tally: counts what is left out.

    Raises:
        DataError: there is no file, it is empty or of no format that is known, a line is broken, or
            nobody says anything. The message names the file, and the line.
    """
    census, kept, places = Census(), list[Conversation](), list[str]()
    for found in recognised(str(path), tally).read(data, tally):
        tidied = tidy(found.conversation, data, tally, found.place)
        if tidied is not None:
            census.add(found.conversation, tidied)
            kept.append(tidied)
            places.append(found.place)
    if not kept:
        raise DataError(f"{one_line(path)}: no conversation with a reply of a person")
    names, person = census.people()
    people: dict[str, list[Dialogue]] = {}
    once = {*had_once(census, person)}
    for index, (who, conversation, place) in enumerate(zip(person, kept, places, strict=True)):
        if index not in once:
            tally.leave_out(HAD, place)
            continue
        own = people.setdefault(names[who], [])
        own.append(_dialogue(conversation, f"{names[who]}/{len(own)}"))
    return people


def _dialogue(conversation: Conversation, dialogue_id: str) -> Dialogue:
    turns = [Turn(partner=e.partner, reply=e.reply) for e in exchanges_of(conversation)]
    return Dialogue(dialogue_id=dialogue_id, persona=conversation.persona, turns=turns)
