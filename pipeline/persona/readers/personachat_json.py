"""The hub's JSON of Persona-chat: `personality`, `history` and `candidates`, the last of them gold.

Either a dialogue a record, with its `utterances`, in arrays named by split; or an utterance a
record with `conv_id`, the rows of a dialogue behind each other.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from pipeline.params import Data
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.reader import Found, Head, Reader, built
from pipeline.persona.readers.shared.files import CorpusFile, split_named
from pipeline.persona.readers.shared.json_values import Value, values_of
from pipeline.persona.readers.shared.speakers import Alone
from pipeline.persona.task.record import NUM_CANDIDATES


_SILENCE = re.compile(r"_+\s*silence\s*_+", re.IGNORECASE)
Dialogue = tuple[Value, list[Any]]  # its first record, its utterances


class _WrongError(Exception):
    """A record has a wrong form; the message says which."""


def _recognises(head: Head) -> bool:
    return any("personality" in record for record in head.records)


def _read(files: Sequence[CorpusFile], data: Data, tally: Tally) -> Iterator[Found]:
    del data
    alone = Alone()
    for file in files:
        for first, utterances in _dialogues(values_of(file, tally)):
            place = file.at(first.line)
            try:
                content = _content(first, utterances)
            except _WrongError as error:
                tally.broken(place, str(error))
                continue
            if not any(text.strip() for text in content["persona"]):
                tally.note('no "personality" in some: each such dialogue is a person of its own')
                content["person"] = alone.at(place)
            content["split"] = split_named(first.key or "") or file.split
            if (conversation := built(place, tally, content)) is not None:
                yield Found(place, conversation)


def _dialogues(values: Iterable[Value]) -> Iterator[Dialogue]:
    for (nested, _), group in groupby(values, key=_dialogue_of):
        for value in group if nested else ():
            yield value, value.content["utterances"]  # type: ignore[index]
        if not nested:
            rows = list(group)
            yield rows[0], [row.content for row in rows]


def _dialogue_of(value: Value) -> tuple[bool, object]:
    """Return whether a record is a dialogue, and which one's row it is otherwise."""
    record = value.content
    if not isinstance(record, dict):
        return False, value.line
    if "utterances" in record:
        return True, None
    return False, (value.key, repr(record["conv_id"]) if "conv_id" in record else value.line)


def _content(first: Value, utterances: object) -> dict[str, Any]:
    record = first.content
    if not isinstance(record, dict) or "personality" not in record:
        raise _WrongError('an object with "personality" was expected')
    if not isinstance(utterances, list) or not utterances:
        raise _WrongError('no "utterances" in it')
    offered = [_texts(utterance, "candidates") for utterance in utterances]
    if not all(offered):
        raise _WrongError('an utterance without "candidates"; the last of them is the reply')
    history = [*_texts(utterances[-1], "history"), offered[-1][-1]]
    last = len(history) - 1
    messages = [
        {"role": "user" if (last - place) % 2 else "assistant", "content": text}
        for place, text in enumerate(history)
        if not _SILENCE.fullmatch(text.strip())
    ]
    return {
        "persona": _texts(record, "personality"),
        "messages": messages,
        "candidates": _matched(messages, offered),
    }


def _texts(record: object, key: str) -> list[str]:
    texts = record.get(key) if isinstance(record, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _WrongError(f'"{key}" must be a list of texts')
    return texts


def _matched(
    messages: Sequence[dict[str, str]], offered: Sequence[list[str]]
) -> list[list[str] | None] | None:
    """Return the candidates of each reply, found by the reply itself; null: no 20 anywhere.

    Each are one reply's, the first of those that are equal: a short file might repeat long ones.
    """
    by_reply: dict[str, deque[list[str]]] = defaultdict(deque)
    for texts in offered:
        if len(texts) == NUM_CANDIDATES:
            by_reply[texts[-1]].append(texts)
    replies = [m["content"] for m in messages if m["role"] == "assistant"]
    found = [by_reply[reply].popleft() if by_reply.get(reply) else None for reply in replies]
    return found if any(found) else None


READER = Reader("the hub's JSON of Persona-chat", _recognises, _read)
