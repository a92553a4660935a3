"""A conversation of two speakers as each of them reads it, in the format of Appendix A.

What was said is kept as the ids that were generated: encoding its text again might give others,
and the policy's probability is that of what it chose.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ModelError
from pipeline.model.sequences.encoding import Encoder, ReplySpan, Window


@dataclass(frozen=True)
class Said:
    """One utterance. `closed`: its speaker ended it, rather than the limit on its length."""

    ids: tuple[int, ...]  # without the closing token
    closed: bool
    text: str


@dataclass(frozen=True)
class View:
    """A conversation as one side reads it: its own utterances are the replies of a window."""

    window: Window  # a span ends with the closing token where the speaker chose it, else before
    closings: tuple[int, ...]  # place of the closing token of each own utterance


def said(encoder: Encoder, text: str) -> Said:
    """Return a recorded utterance."""
    return Said(encoder.segment(text), closed=True, text=text)


def view(encoder: Encoder, persona: Sequence[str], lines: Sequence[Said], *, own: int) -> View:
    """Return the conversation so far as one side reads it.

    Args:
        encoder: the format.
        persona: that side's sentences.
        lines: what was said, the sides in turn.
        own: 0 if the first line is that side's own, 1 if it is the other's.

    Raises:
        ModelError: it does not fit into the context.
    """
    form = encoder.format
    ids = list(encoder.persona(persona))
    spans, closings = [], []
    for number, line in enumerate(lines):
        if number % 2 != own:
            ids += [*form.user_open, *line.ids, *form.user_close]
            continue
        ids += form.system_open
        closing = len(ids) + len(line.ids)
        spans.append(ReplySpan(number, len(ids), closing + line.closed))
        closings.append(closing)
        ids += [*line.ids, form.closing]
    if len(ids) > encoder.context:
        raise ModelError(
            f"a self-played conversation has {len(ids)} tokens with its persona, the context holds "
            f"{encoder.context}; lower self_play.turns or self_play.max_new_tokens"
        )
    return View(Window(tuple(ids), tuple(spans)), tuple(closings))


def prompt(
    encoder: Encoder, persona: Sequence[str], lines: Sequence[Said], *, own: int
) -> tuple[int, ...]:
    """Return what a side has before it when it is its turn."""
    return view(encoder, persona, lines, own=own).window.ids + encoder.format.system_open
