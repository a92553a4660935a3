"""Persona-chat's and ConvAI2's text in every layout (self, other, both, none).

The person is whoever the persona is about. In `other` that is the partner, so roles are swapped and
the candidates, which are the other speaker's, are not used. `both` is told from both sides. With
`none` nobody can be known again: every dialogue is a person of its own.
"""

import re
from collections.abc import Iterator, Sequence

from pipeline.errors import DataError
from pipeline.params import Data
from pipeline.persona.conversation.record import Conversation, Message
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.reader import Found, Head, Reader
from pipeline.persona.readers.shared.files import CorpusFile, lines_of
from pipeline.persona.task.record import SILENCE
from pipeline.persona.tasks.parser import (
    PARTNER_PERSONA,
    PERSONA,
    LineError,
    ParsedDialogue,
    parse_block,
)


_FIRST = re.compile(r"1 .")
_LAYOUT = re.compile(r"(self|other|both|none)(_(original|revised))?(_no_cands)?(?=\.)")


def _recognises(head: Head) -> bool:
    if not head.lines or not _FIRST.match(head.lines[0]):
        return False
    content = head.lines[0][2:]
    return content.startswith((PERSONA, PARTNER_PERSONA)) or "\t" in content


def _read(files: Sequence[CorpusFile], data: Data, tally: Tally) -> Iterator[Found]:
    del data
    _refuse_several_layouts(files)
    for file in files:
        for block in _blocks(file, tally):
            try:
                dialogue = parse_block(block, origin=file.name)
            except LineError as error:
                tally.broken(file.at(error.line), error.problem)
                continue
            place = file.at(dialogue.line)
            for view in _views(dialogue, file, place, tally):
                yield Found(place, view)


def _refuse_several_layouts(files: Sequence[CorpusFile]) -> None:
    """Refuse files that tell the same dialogues in several layouts, by their names."""
    layouts = {match[0] for file in files if (match := _LAYOUT.search(file.name.lower()))}
    if len(layouts) > 1:
        one = max(layouts)
        raise DataError(
            f"the same dialogues in several layouts ({', '.join(sorted(layouts))}); give the files "
            f"of one, by a pattern such as 'folder/*_{one}.txt'"
        )


def _blocks(file: CorpusFile, tally: Tally) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines of each dialogue: a new one begins where the numbers begin anew."""
    block: list[tuple[int, str]] = []
    for line in lines_of(file, tally):
        if block and _FIRST.match(line.text):
            yield block
            block = []
        block.append((line.number, line.text))
    if block:
        yield block


def _views(
    dialogue: ParsedDialogue, file: CorpusFile, place: str, tally: Tally
) -> Iterator[Conversation]:
    if dialogue.persona or not dialogue.partner_persona:
        if not dialogue.persona:
            tally.note("no personas in it: every dialogue is a person of its own")
        yield Conversation(
            person=None if dialogue.persona else place,
            messages=_messages(dialogue, "user", "assistant"),
            persona=dialogue.persona,
            candidates=_candidates(dialogue),
            split=file.split,
        )
    if dialogue.partner_persona and any(e.partner != SILENCE for e in dialogue.exchanges):
        yield Conversation(
            messages=_messages(dialogue, "assistant", "user"),
            persona=dialogue.partner_persona,
            split=file.split,
        )


def _messages(dialogue: ParsedDialogue, partner: str, replier: str) -> list[Message]:
    messages = []
    for exchange in dialogue.exchanges:
        if exchange.partner != SILENCE:
            messages.append(Message.model_validate({"role": partner, "content": exchange.partner}))
        messages.append(Message.model_validate({"role": replier, "content": exchange.reply}))
    return messages


def _candidates(dialogue: ParsedDialogue) -> list[list[str] | None] | None:
    offered = [list(e.candidates) if e.candidates else None for e in dialogue.exchanges]
    return offered if any(offered) else None


READER = Reader("Persona-chat's text", _recognises, _read)
