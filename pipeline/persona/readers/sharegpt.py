"""ShareGPT's JSON: `conversations` of `from` and `value`, an array or JSON Lines."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any

from pipeline.errors import one_line
from pipeline.params import Data
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.reader import Found, Head, Reader, built
from pipeline.persona.readers.shared.files import CorpusFile
from pipeline.persona.readers.shared.json_values import Value, values_of
from pipeline.persona.readers.shared.speakers import Alone


ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "system": "system",
}
_WHO = ("from", "role")
_WHAT = ("value", "content")


class _WrongError(Exception):
    """A record has a wrong form; the message says which."""


def _recognises(head: Head) -> bool:
    return any(isinstance(record.get("conversations"), list) for record in head.records)


def _read(files: Sequence[CorpusFile], data: Data, tally: Tally) -> Iterator[Found]:
    del data
    alone = Alone()
    for file in files:
        for value in values_of(file, tally):
            place = file.at(value.line)
            try:
                content = _content(value, file, alone, tally)
            except _WrongError as error:
                tally.broken(place, str(error))
                continue
            if (conversation := built(place, tally, content)) is not None:
                yield Found(place, conversation)


def _content(value: Value, file: CorpusFile, alone: Alone, tally: Tally) -> dict[str, Any]:
    record = value.content
    if not isinstance(record, dict) or not isinstance(record.get("conversations"), list):
        raise _WrongError('an object with a list "conversations" was expected')
    messages = [_message(item) for item in record["conversations"]]
    if isinstance(system := record.get("system"), str) and system.strip():
        messages.insert(0, {"role": "system", "content": system})
    return {
        "person": _person(record, messages, tally) or alone.at(file.at(value.line)),
        "messages": messages,
        "split": file.split,
    }


def _message(item: object) -> dict[str, str]:
    if not isinstance(item, dict):
        raise _WrongError(f'an object with "from" and "value" was expected, found {item!r:.40}')
    who = next((item[key] for key in _WHO if key in item), None)
    what = next((item[key] for key in _WHAT if key in item), None)
    if not isinstance(who, str) or who.lower() not in ROLES:
        known = ", ".join(ROLES)
        raise _WrongError(f"unknown role {one_line(repr(who), 60)}; one of {known} was expected")
    if not isinstance(what, str):
        raise _WrongError(f'the text ("value") of a message is {type(what).__name__}, not a text')
    return {"role": ROLES[who.lower()], "content": what}


def _person(record: dict[str, Any], messages: Sequence[dict[str, str]], tally: Tally) -> object:
    """Return who `gpt` is: `person`, else whoever has the same system prompt; null: nobody else."""
    if record.get("person") not in (None, ""):
        return record["person"]
    if messages and messages[0]["role"] == "system":
        tally.note('no "person" in it: conversations with the same system prompt are one person')
        text = messages[0]["content"].strip()
        return f"prompt-{blake2b(text.encode(errors='replace'), digest_size=8).hexdigest()}"
    tally.note(
        'no "person" and no system prompt in some: each such conversation is a person of its own'
    )
    return None


READER = Reader("ShareGPT's conversations", _recognises, _read)
