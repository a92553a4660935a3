"""Whether every candidate and response of a split fits the context, before anything is trained.

A candidate or a response stands in the place of a reply, behind the persona and one turn at least.
A reply of one person is a candidate for others. So it may be too long for their dialogues, while
every dialogue fits on its own.
"""

from collections.abc import Sequence

from pipeline.errors import ContextError, one_line
from pipeline.model.sequences.encoding import Encoder
from pipeline.persona.task.record import Dialogue, PersonaTask


_SHOWN = 40  # characters of a candidate


def require_context(tasks: Sequence[PersonaTask], encoder: Encoder, *, response: int = 0) -> None:
    """Refuse tasks with a dialogue, a candidate or a response that the context cannot hold.

    Args:
        tasks: all of a split.
        encoder: the variant's.
        response: most tokens of a generated response (`generate.max_new_tokens`); 0: none is asked
            for.

    Raises:
        ContextError: names the dialogue, and what is too long: the persona and a turn of its own, a
            candidate and who says it, or `generate.max_new_tokens`.
    """
    for task in tasks:
        for dialogue in task.dialogues:
            encoder.encode(dialogue)
            room = encoder.room_for_a_reply(dialogue)
            what = _too_long(dialogue, tasks, encoder, room) or (
                f"generate.max_new_tokens is {response}; lower it" if response > room else None
            )
            if what is not None:
                raise ContextError(
                    f"dialogue {one_line(dialogue.dialogue_id)}: {what}, raise base.context, or "
                    "give a base with a longer one (base.source, base.pretrain.context); now "
                    f"{encoder.context} tokens leave {room} behind its persona and a turn"
                )


def _too_long(
    dialogue: Dialogue, tasks: Sequence[PersonaTask], encoder: Encoder, room: int
) -> str | None:
    """Say which candidate is longer than the room, and what to do about it; null: none is."""
    text = _longest_candidate(dialogue, encoder)
    if text is None or (size := len(encoder.segment(text))) <= room:
        return None
    shown = one_line(repr(text), _SHOWN)
    whose = _owner(text, tasks)
    return f"its candidate {shown}, {whose}, has {size} tokens; shorten that reply (data.longest)"


def _longest_candidate(dialogue: Dialogue, encoder: Encoder) -> str | None:
    texts = [text for turn in dialogue.turns for text in turn.candidates or ()]
    return max(texts, key=lambda text: len(encoder.segment(text)), default=None)


def _owner(text: str, tasks: Sequence[PersonaTask]) -> str:
    """Say whose reply a candidate is."""
    for task in tasks:
        for dialogue in task.dialogues:
            if any(turn.reply == text for turn in dialogue.turns):
                where = f"{one_line(dialogue.dialogue_id)} of {one_line(task.task_id)}"
                return f"a reply in dialogue {where}"
    return "which the corpus gives"
