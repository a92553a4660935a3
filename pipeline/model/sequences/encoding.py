"""Appendix A, Fig. 4: a dialogue as one token sequence with all its reply spans.

    <|persona|> s1 s2 ... <|/persona|> <|user|> u1 <|/user|> <|system|> r1 <|/system|> <|user|> ...

`formats.py` has the other marks. Every segment is encoded apart, with the blank that stands before
it, so its ids do not depend on the segment before it. A reply's loss covers its tokens and its
closing token; what opens it is given. A dialogue is encoded once, with all its replies. That gives
exactly the per-reply loss, since attention is causal and every reply sees its whole history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import ContextError, ModelError, one_line
from pipeline.model.sequences.chat import chat_format
from pipeline.model.sequences.formats import plain_format, special_format, unsayable
from pipeline.persona.task.record import SILENCE, Dialogue, Turn


FORMATS = {"special": special_format, "plain": plain_format, "chat": chat_format}


@dataclass(frozen=True)
class ReplySpan:
    """A reply's place in its window: `ids[start:end]`, whose last id is the closing token."""

    turn: int  # index of the turn in the dialogue
    start: int
    end: int
    distractors: tuple[tuple[int, ...], ...] = ()  # wrong candidates' ids, with the closing token


@dataclass(frozen=True)
class Window:
    """One sequence: the persona, then consecutive whole turns. `spans` are the scored replies."""

    ids: tuple[int, ...]
    spans: tuple[ReplySpan, ...]
    dialogue_id: str = ""


@dataclass(frozen=True)
class _Exchange:
    """One turn's ids: what is given before its reply, and the reply with its closing token."""

    first: tuple[int, ...]  # given where the turn begins a window
    given: tuple[int, ...]  # given after another turn
    reply: tuple[int, ...]


class Encoder:
    """Encodes dialogues as windows of at most `context` tokens.

    Args:
        tokenizer: φ's, with the special tokens.
        context: most tokens of a window.
        persona_text: whether windows begin with the persona sentences.
        format: how segments are marked: `special` (the paper's), `plain` (Appendix A's ablation)
            or `chat` (the base's own template).
        distractors: whether reply spans hold their wrong candidates.

    Raises:
        ModelError: the base's tokenizer does not have that format.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        context: int,
        persona_text: bool = True,
        format: str = "special",
        distractors: bool = False,
    ) -> None:
        self.format = FORMATS[format](tokenizer)
        self.forbidden = unsayable(tokenizer, self.format)  # in a response
        self.context = context
        self.persona_text = persona_text
        self.distractors = distractors
        self._tokenizer = tokenizer
        self._cache: dict[str, tuple[int, ...]] = {}

    def segment(self, text: str) -> tuple[int, ...]:
        """Return the ids of a reply, without marks.

        Raises:
            ModelError: the base's tokenizer cannot encode the text as it is; the text holds a
                mark; or it has no token at all.
        """
        blanks = self.format.blanks
        ids = self._ids(blanks.reply, text, blanks.reply_end)
        if not ids:
            raise ModelError(
                "an empty reply or candidate has no token in the base's chat format; leave it "
                "out, or set the variant's format to special"
            )
        return ids

    def _ids(self, blank: str, text: str, end: str = "") -> tuple[int, ...]:
        whole = blank + text + end
        if whole not in self._cache:
            ids = self._tokenizer.encode(whole, add_special_tokens=False)
            decoded = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            if decoded != whole:
                raise ModelError(
                    f"the base's tokenizer changes the text {one_line(repr(text))} (it is decoded "
                    f"as {one_line(repr(decoded))}); change the text, or take another base"
                )
            for mark in self.format.reserved:
                if mark in text:
                    raise ModelError(
                        f"the text {one_line(repr(text))} holds {mark!r}, a mark of its format; "
                        "change the text, or set the variant's format to special"
                    )
            self._cache[whole] = tuple(ids)
        return self._cache[whole]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a reply's ids, without marks and surrounding blanks."""
        text = self._tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return str(text).strip()

    def encode(self, dialogue: Dialogue, *, room: int = 0) -> tuple[Window, ...]:
        """Encode a dialogue.

        A dialogue that fits is one window. Otherwise each reply belongs to the window with its
        longest history: the persona, then as many whole latest turns as fit.

        Args:
            dialogue: persona and turns.
            room: tokens that must fit in the place of any reply, e.g. a generated response.

        Raises:
            ContextError: the persona and a single turn exceed the context.
            ModelError: as `segment`.
        """
        opening = self.persona(dialogue.persona)
        turns = [self._exchange(turn, dialogue.persona) for turn in dialogue.turns]
        groups: dict[int, list[int]] = {}
        first = 0
        for last, turn in enumerate(turns):
            while True:
                given = len(opening) + _tokens_before(turns, first, last)
                length = given + max(len(turn.reply), room)
                if length <= self.context:
                    break
                if first == last:
                    free = f" and {room} kept free for a candidate or response"
                    raise ContextError(
                        f"dialogue {one_line(dialogue.dialogue_id)}, turn {last}: {length} tokens "
                        f"with its persona{free if room > len(turn.reply) else ''}, the context "
                        f"holds {self.context}; lower data.longest, which cuts turns, raise "
                        "base.context, or give a base with a longer one (base.source, "
                        "base.pretrain.context)"
                    )
                first += 1
            groups.setdefault(first, []).append(last)
        windows = (_window(opening, turns, start, ends) for start, ends in groups.items())
        return tuple(
            replace(
                window,
                spans=tuple(self._distracted(span, dialogue) for span in window.spans),
                dialogue_id=dialogue.dialogue_id,
            )
            for window in windows
        )

    def room_for_a_reply(self, dialogue: Dialogue) -> int:
        """Return how many tokens the context leaves behind the persona and any one turn."""
        given = max(len(self._exchange(turn, dialogue.persona).first) for turn in dialogue.turns)
        return self.context - len(self.persona(dialogue.persona)) - given

    def _distracted(self, span: ReplySpan, dialogue: Dialogue) -> ReplySpan:
        if not self.distractors:
            return span
        turn, room = dialogue.turns[span.turn], self.context - span.start - 1
        wrong = [self.segment(text) for text in turn.candidates or () if text != turn.reply]
        closed = ((*ids[:room], self.format.closing) for ids in wrong)  # cut to fit the context
        return replace(span, distractors=tuple(closed))

    def persona(self, sentences: Sequence[str]) -> tuple[int, ...]:
        """Return the ids before the first turn: the persona, or the start mark without one."""
        if not self._shows(sentences):
            return self.format.start
        ids, blank = self.format.persona_open, self.format.blanks.persona
        for sentence in sentences:
            ids += self._ids(blank, sentence) + self.format.sentence_close
            blank = " "
        return ids + self.format.persona_close

    def _shows(self, sentences: Sequence[str]) -> bool:
        return self.persona_text and bool(sentences)

    def before_reply(self, partner: str, persona: Sequence[str], *, first: bool) -> tuple[int, ...]:
        """Return the ids that a turn has before its reply.

        Args:
            partner: what the partner says. For silence (or nothing) there is no segment, or an
                empty one where the format cannot do without.
            persona: the dialogue's sentences.
            first: whether the turn comes first in its window, right after `persona(...)`.
        """
        form, blanks = self.format, self.format.blanks
        silent = partner in (SILENCE, "")
        if silent and not form.opens_user:
            return form.system_open
        blank, opening = blanks.user, form.user_open
        if first and form.opens_user:
            blank = blanks.after_persona if self._shows(persona) else blanks.after_start
            opening = ()
        text = self._ids(blank, "" if silent else partner)
        return opening + text + form.user_close + form.system_open

    def _exchange(self, turn: Turn, persona: Sequence[str]) -> _Exchange:
        return _Exchange(
            self.before_reply(turn.partner, persona, first=True),
            self.before_reply(turn.partner, persona, first=False),
            (*self.segment(turn.reply), self.format.closing),
        )


def _tokens_before(turns: Sequence[_Exchange], first: int, last: int) -> int:
    """Count the tokens from turn `first`, which begins a window, to the reply of turn `last`."""
    replies = sum(len(turn.reply) for turn in turns[first:last])
    given = sum(len(turn.given) for turn in turns[first + 1 : last + 1])
    return len(turns[first].first) + given + replies


def _window(
    opening: tuple[int, ...], turns: Sequence[_Exchange], first: int, scored: Sequence[int]
) -> Window:
    ids = list(opening)
    spans = []
    for index in range(first, scored[-1] + 1):
        turn = turns[index]
        ids += turn.first if index == first else turn.given
        if index in scored:
            spans.append(ReplySpan(index, len(ids), len(ids) + len(turn.reply)))
        ids += turn.reply
    return Window(tuple(ids), tuple(spans))
