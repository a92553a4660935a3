"""A conversation of two speakers as each of them reads it, in the format of Appendix A.

An utterance is kept as the ids that were generated. Encoding its text again might give other ids,
and the policy's probability is that of the ids it chose.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ModelError
from pipeline.model.sequences.encoding import Encoder, ReplySpan, Window
from pipeline.persona.task.record import SILENCE


@dataclass(frozen=True)
class Said:
    """One utterance. `closed`: the speaker ended it, not the limit on its length."""

    ids: tuple[int, ...]  # without the closing token
    closed: bool
    text: str


@dataclass(frozen=True)
class View:
    """A conversation as one side reads it: its own utterances are the replies of a window."""

    window: Window  # a span holds the closing token if the speaker chose it
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
        own: 0 if that side has said the first line, 1 if the other side has.

    Raises:
        ModelError: the conversation does not fit into the context, or the two sides' texts have
            other ids in this format.
    """
    form = encoder.format
    if not form.blanks.alike:
        raise ModelError(
            "self-play: the base's chat template has other blanks around replies than around user "
            "messages, but what one side says the other reads; set the variant's format to special"
        )
    ids = list(encoder.persona(persona))
    spans, closings = [], []
    for number, line in enumerate(lines):
        if number % 2 != own:
            opened = form.opens_user and number == 0
            ids += [*(() if opened else form.user_open), *line.ids, *form.user_close]
            continue
        ids += form.system_open if number else encoder.before_reply(SILENCE, persona, first=True)
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
    """Return what a side reads when it is its turn: the conversation and an opened reply."""
    return view(encoder, persona, lines, own=own).window.ids + encoder.format.system_open
