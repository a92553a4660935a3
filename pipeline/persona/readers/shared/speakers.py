"""A conversation between named speakers, told from each speaker's side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.persona.conversation.record import Conversation, Message
from pipeline.persona.task.record import Split


@dataclass(frozen=True)
class Said:
    """What one speaker says."""

    speaker: str
    text: str


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
        said: in order; at least one.
        conversation: its name, by which the views are known to belong together.
        personas: sentences about speakers.
        split: that of all views.
        named: whether equal speakers of two conversations are one person; else persons are told
            apart by their persona text.
    """
    for person in dict.fromkeys(one.speaker for one in said):
        yield Conversation(
            person=person if named else None,
            messages=[
                Message(role="assistant" if one.speaker == person else "user", content=one.text)
                for one in said
            ],
            persona=[*(personas or {}).get(person, ())],
            split=split,
            conversation=conversation,
        )
