"""A conversation between named speakers, told from each speaker's side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pipeline.params import Data
from pipeline.persona.conversation.record import LONGEST_NAME, Conversation, Message
from pipeline.persona.task.record import Split


LONGEST_MESSAGE = 65_536  # characters, as of WhatsApp's; or `data.longest`, if that is more
TOO_LONG = "ends of messages that are too long for one"  # what is cut off of others
MOST_SPEAKERS = 100  # of what is told from each side: time and text grow with their number


@dataclass(frozen=True)
class Said:
    """What one speaker says."""

    speaker: str
    text: str


def longest_message(data: Data) -> int:
    """Return how many characters of a message are kept."""
    return max(LONGEST_MESSAGE, data.longest or 0)


def parts(said: Sequence[Said]) -> Iterator[Sequence[Said]]:
    """Yield a conversation as one part, or cut where a speaker would be one too many."""
    begin, speakers = 0, set[str]()
    for place, one in enumerate(said):
        if one.speaker not in speakers and len(speakers) == MOST_SPEAKERS:
            yield said[begin:place]
            begin, speakers = place, set()
        speakers.add(one.speaker)
    yield said[begin:]


def views(
    said: Sequence[Said],
    *,
    conversation: str,
    personas: Mapping[str, Sequence[str]] | None = None,
    split: Split | None = None,
    named: bool = True,
) -> Iterator[Conversation]:
    """Yield the conversation once for each speaker, who is then the person; all others are `user`.

    Args:
        said: in order; at least one, by no more speakers than `parts` has.
        conversation: its name, of any length, by which the views are known to belong together.
        personas: sentences about speakers.
        split: that of all views.
        named: whether equal speakers of two conversations are one person; else persons are told
            apart by their persona text.
    """
    heard = [Message(role="user", content=one.text) for one in said]
    for person in dict.fromkeys(one.speaker for one in said):
        yield Conversation(
            person=person if named else None,
            messages=[
                Message(role="assistant", content=one.text) if one.speaker == person else message
                for one, message in zip(said, heard, strict=True)
            ],
            persona=[*(personas or {}).get(person, ())],
            split=split,
            conversation=_short(conversation),
        )


def _short(name: str) -> str:
    """Return a conversation's name, the end of a long one as its digest: unequal ones stay so."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()
    return f"{name[: LONGEST_NAME - len(digest) - 1]}:{digest}"


class Alone:
    """Names people whom nothing names after the place of their only conversation.

    A file may have all its records on one line, so each further one there gets a number.
    """

    def __init__(self) -> None:
        self._place, self._count = "", 0

    def at(self, place: str) -> str:
        """Return the name of the person whose conversation begins at a place, file and line."""
        self._count = self._count + 1 if place == self._place else 1
        self._place = place
        return place if self._count == 1 else f"{place}.{self._count}"
