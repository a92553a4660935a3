"""Make a conversation's sides alternate, and bound its turns: the same for every corpus."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.params import Data
from pipeline.persona.conversation.record import Conversation, Message, Role
from pipeline.persona.conversation.tally import Tally


JOINED_BY = "\n"


@dataclass
class _Turn:
    """What one side says until the other answers."""

    role: Role
    texts: list[str]
    candidates: list[str] | None  # of the first text


def tidy(given: Conversation, data: Data, tally: Tally, place: str) -> Conversation | None:
    """Return a conversation whose sides alternate, up to the person's last word; null: it has none.

    Empty messages are left out. Consecutive messages of one side become one, joined by line ends. A
    system message before all others becomes the first sentence of the persona, a later one is part
    of what the other side says; or both are dropped. What nobody answers at the end is left out. A
    turn of over `data.longest` characters is cut at a blank: of a reply the end goes, of the other
    side's turn the beginning, which is farther from the reply.

    Args:
        given: as a reader found it.
        data: `system` and `longest`.
        tally: counts what goes.
        place: names the conversation in the tally.
    """
    context: list[str] = []
    turns: list[_Turn] = []
    for role, text, candidates in _texts(given, tally, place):
        if role == "system":
            if data.system == "drop":
                tally.leave_out("system messages (data.system: drop)", place)
                continue
            if not turns:
                context.append(text)
                continue
            role = "user"
        if turns and turns[-1].role == role:
            turns[-1].texts.append(text)
        else:
            turns.append(_Turn(role, [text], candidates))
    if turns and turns[-1].role == "user":
        tally.leave_out("messages at an end without a reply", place, len(turns.pop().texts))
    if not turns:
        tally.leave_out("conversations in which the person says nothing", place)
        return None
    persona = [_cut(text, "system", data.longest, tally, place) for text in context]
    persona += [sentence.strip() for sentence in given.persona if sentence.strip()]
    return _alternating(given, turns, persona, data.longest, tally, place)


def _texts(
    given: Conversation, tally: Tally, place: str
) -> Iterator[tuple[Role, str, list[str] | None]]:
    """Yield role, text and candidates of each message that has text."""
    offered = iter(given.candidates or ())
    for message in given.messages:
        candidates = next(offered, None) if message.role == "assistant" else None
        text = message.content.strip()
        if text:
            yield message.role, text, candidates
        else:
            tally.leave_out("messages without text", place)


def _alternating(
    given: Conversation,
    turns: list[_Turn],
    persona: list[str],
    longest: int | None,
    tally: Tally,
    place: str,
) -> Conversation:
    messages, offered = [], []
    for turn in turns:
        text = JOINED_BY.join(turn.texts)
        cut = _cut(text, turn.role, longest, tally, place)
        messages.append(Message(role=turn.role, content=cut))
        if turn.role == "assistant":
            stripped = [c.strip() for c in turn.candidates or () if c.strip()]
            offered.append(stripped if cut in stripped else None)
    return given.model_copy(
        update={
            "messages": messages,
            "persona": persona,
            "candidates": offered if any(offered) else None,
        }
    )


def _cut(text: str, role: Role, longest: int | None, tally: Tally, place: str) -> str:
    """Return at most `longest` characters of a text, whole words if there are any.

    Of the other side it is the end, which is answered; of a reply and a system message the
    beginning, which says who somebody is.
    """
    if longest is None or len(text) <= longest:
        return text
    what = "system messages" if role == "system" else "turns"
    tally.leave_out(f"ends of {what} that are too long (data.longest)", place)
    if role != "user":
        kept = text[: longest + 1].rsplit(maxsplit=1)
        return kept[0] if len(kept) == 2 else text[:longest].strip() or text.strip()[:longest]
    kept = text[-longest - 1 :].split(maxsplit=1)
    return kept[1] if len(kept) == 2 else text[-longest:].strip()
