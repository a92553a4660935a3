"""ConvoKit's `utterances.jsonl`: who says what in reply to what, a conversation from each side.

A conversation may be a tree of replies. It is told as chains: what first replies to an utterance
goes on with its chain, any other reply begins a chain of its own, with the utterance it replies to
before it. So every utterance is somebody's reply once. A chain of many speakers is cut likewise.
What is told again in this way is bounded: else time and disk would grow as the square of a
conversation in which all reply to one long utterance.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.params import Data
from pipeline.persona.conversation.record import LONGEST_NAME, Conversation, Message, same_name
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers.reader import Found, Head, Reader
from pipeline.persona.readers.shared.files import CorpusFile, lines_of
from pipeline.persona.readers.shared.speakers import TOO_LONG, Said, longest_message, parts, views
from pipeline.strict_json import first_problem, strict_loads


# The names of a field, also those of older versions.
_SPEAKER = ("speaker", "user")
_CONVERSATION = ("conversation_id", "root")
_REPLY_TO = ("reply_to", "reply-to")

# Reddit's words where an account is gone: many people, who are nobody to be learnt.
_NOBODY = ("[deleted]", "[removed]")
_GONE = "sides of accounts that are gone, all of one name"

MOST_AGAIN = 32  # times a conversation's characters: what is told again before its chains
_NOT_AGAIN = "utterances that are not told again before further replies to them"


@dataclass(frozen=True)
class _Utterance:
    id: str
    said: Said
    reply_to: str | None


@dataclass
class _Again:
    """What of a conversation is told again: as long as there are characters left."""

    left: int
    tally: Tally

    def before(self, given: Said | None, view: Conversation, place: str) -> Conversation:
        """Return a view that begins with what another speaker said before."""
        if given is None or given.speaker == view.person:
            return view
        if len(given.text) > self.left:
            self.tally.leave_out(_NOT_AGAIN, place)
            return view
        self.left -= len(given.text)
        message = Message(role="user", content=given.text)
        return view.model_copy(update={"messages": [message, *view.messages]})


def _recognises(head: Head) -> bool:
    return any(
        "text" in record and _one_of(record, _SPEAKER) and _one_of(record, _CONVERSATION)
        for record in head.records
    )


def _one_of(record: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _read(files: Sequence[CorpusFile], data: Data, tally: Tally) -> Iterator[Found]:
    for file in files:
        for name, places in _conversations(file, tally).items():
            utterances = _utterances(file, places, longest_message(data), tally)
            again = _Again(MOST_AGAIN * sum(len(one.said.text) for one in utterances), tally)
            for number, (given, chain) in enumerate(_chains(utterances)):
                place = f"{file.name}: conversation {name}, chain {number}"
                before = None if given is None else given.said
                for part in parts([one.said for one in chain]):
                    for view in views(part, conversation=f"{file.name}:{name}"):
                        if view.person in _NOBODY:
                            tally.leave_out(_GONE, place)
                        else:
                            yield Found(place, again.before(before, view, place))
                    before = part[-1]


def _conversations(file: CorpusFile, tally: Tally) -> dict[str, "array[int]"]:
    """Return where each conversation's utterances begin in the file, in order; check all lines."""
    places: dict[str, array[int]] = defaultdict(lambda: array("Q"))
    for line in lines_of(file, tally):
        try:
            record = strict_loads(line.text.encode())
        except (ValueError, RecursionError) as error:
            tally.broken(file.at(line.number), f"not JSON ({first_problem(error)})")
            continue
        if (problem := _problem(record)) is not None:
            tally.broken(file.at(line.number), problem)
        else:
            places[str(_one_of(record, _CONVERSATION))].append(line.byte)  # type: ignore[arg-type]
    return places


def _problem(record: object) -> str | None:
    if not isinstance(record, dict):
        return "an object with speaker, text and conversation_id was expected"
    speaker = _one_of(record, _SPEAKER)
    if not isinstance(speaker, str) or not 0 < len(same_name(speaker)) <= LONGEST_NAME:
        return f"speaker must be a name of 1 to {LONGEST_NAME} characters"
    if not isinstance(record.get("text"), str | None):
        return "text must be a text"
    if not isinstance(_one_of(record, _CONVERSATION), str | int):
        return "conversation_id must be a name"
    return None


def _utterances(
    file: CorpusFile, places: Sequence[int], longest: int, tally: Tally
) -> list[_Utterance]:
    """Return a conversation's utterances, of each at most `longest` characters."""
    found = []
    with file.path.open("rb") as stream:
        for byte in places:
            stream.seek(byte)
            record: Any = strict_loads(stream.readline().removeprefix(b"\xef\xbb\xbf"))
            text = record.get("text") or ""
            if len(text) > longest:
                tally.leave_out(TOO_LONG, f"{file.name}: byte {byte}")
            said = Said(same_name(str(_one_of(record, _SPEAKER))), text[:longest])
            reply_to = _one_of(record, _REPLY_TO)
            found.append(
                _Utterance(
                    str(record.get("id", byte)), said, None if reply_to is None else str(reply_to)
                )
            )
    return found


def _chains(
    utterances: Sequence[_Utterance],
) -> Iterator[tuple[_Utterance | None, list[_Utterance]]]:
    """Yield chains of utterances, each with what it replies to, unless that begins a chain.

    Without any reply that is known the file's order is the conversation's.
    """
    known = {one.id: one for one in utterances}
    if not any(one.reply_to in known for one in utterances):
        yield None, list(utterances)
        return
    chain_of: dict[str, list[_Utterance]] = {}  # by its last utterance
    chains: list[tuple[_Utterance | None, list[_Utterance]]] = []
    for one in utterances:
        chain = chain_of.pop(one.reply_to, None) if one.reply_to is not None else None
        if chain is None:
            before = known.get(one.reply_to) if one.reply_to is not None else None
            chain = []
            chains.append((before, chain))
        chain.append(one)
        chain_of[one.id] = chain
    yield from chains


READER = Reader("ConvoKit's utterances", _recognises, _read)
