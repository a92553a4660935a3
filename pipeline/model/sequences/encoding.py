"""Appendix A, Fig. 4: a dialogue as one token sequence with all its reply spans.

    <|persona|> s1 s2 ... <|/persona|> <|user|> u1 <|/user|> <|system|> r1 <|/system|> <|user|> ...

Every segment is encoded with a leading space, so its ids do not depend on the segment before it. A
reply's loss covers its tokens and its closing token; the opening `<|system|>` is given. A dialogue
is encoded once, with all its replies. That gives exactly the per-reply loss, since attention is
causal and every reply sees its whole history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.errors import ModelError, one_line
from pipeline.persona.task import SILENCE, Dialogue, Turn


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
class Format:
    """The ids that mark segments: the six special tokens or, without them, newlines."""

    persona_open: tuple[int, ...]
    sentence_close: tuple[int, ...]
    persona_close: tuple[int, ...]
    user_open: tuple[int, ...]
    user_close: tuple[int, ...]
    system_open: tuple[int, ...]
    start: tuple[int, ...]  # before the first turn if there is no persona text
    closing: int  # ends a reply; part of its loss


def special_format(tokenizer: Any) -> Format:
    """Return the paper's format: segments "prepended and appended with special tokens".

    Raises:
        ModelError: the tokenizer lacks the special tokens.
    """
    names = ("persona", "/persona", "user", "/user", "system", "/system")
    ids = tokenizer.convert_tokens_to_ids([f"<|{name}|>" for name in names])
    if None in ids or len(set(ids)) != len(ids):
        raise ModelError("the base's tokenizer lacks the special tokens; run stage base again")
    persona, persona_end, user, user_end, system, system_end = ((i,) for i in ids)
    begin = begin_ids(tokenizer)
    return Format(begin + persona, (), persona_end, user, user_end, system, begin, system_end[0])


def plain_format(tokenizer: Any) -> Format:
    """Return the format of Appendix A's ablation: lines. The end of text ends start and reply.

    A base whose tokenizer puts a token before every text starts with that one instead.
    """
    end = tokenizer.eos_token_id
    start = begin_ids(tokenizer) or (end,)
    newline = tuple(tokenizer.encode("\n", add_special_tokens=False))
    return Format(start, newline, (), (), newline, (), start, end)


def begin_ids(tokenizer: Any) -> tuple[int, ...]:
    """Return what a tokenizer puts before every text: its bos, or nothing, as GPT-2's."""
    text = tokenizer.encode("a", add_special_tokens=False)
    ids = tokenizer.encode("a", add_special_tokens=True)
    return tuple(ids[: ids.index(text[0])])


class Encoder:
    """Encodes dialogues as windows of at most `context` tokens.

    Args:
        tokenizer: φ's, with the special tokens.
        context: most tokens of a window.
        persona_text: whether windows begin with the persona sentences.
        special_tokens: the paper's format; false: Appendix A's ablation.
        distractors: whether reply spans hold their wrong candidates.
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        context: int,
        persona_text: bool = True,
        special_tokens: bool = True,
        distractors: bool = False,
    ) -> None:
        self.format = special_format(tokenizer) if special_tokens else plain_format(tokenizer)
        # A response is text and the closing token; it has no other special token.
        self.forbidden = tuple(sorted({*tokenizer.all_special_ids} - {self.format.closing}))
        self.context = context
        self.persona_text = persona_text
        self.distractors = distractors
        self._tokenizer = tokenizer
        self._cache: dict[str, tuple[int, ...]] = {}

    def segment(self, text: str) -> tuple[int, ...]:
        """Return the ids of one text, with a leading space and no marks.

        Raises:
            ModelError: the base's tokenizer cannot encode the text as it is.
        """
        if text not in self._cache:
            ids = self._tokenizer.encode(" " + text, add_special_tokens=False)
            decoded = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
            if decoded != " " + text:
                raise ModelError(
                    f"the base's tokenizer changes the text {one_line(repr(text))} (it is decoded "
                    f"as {one_line(repr(decoded))}); change the text, or take another base"
                )
            self._cache[text] = tuple(ids)
        return self._cache[text]

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
            ModelError: the persona and a single turn exceed the context.
        """
        opening = self.persona(dialogue.persona)
        turns = [self._turn(turn) for turn in dialogue.turns]
        groups: dict[int, list[int]] = {}
        first = 0
        for last, (prefix, reply) in enumerate(turns):
            while True:
                before = sum(len(p) + len(r) for p, r in turns[first:last]) + len(prefix)
                length = len(opening) + before + max(len(reply), room)
                if length <= self.context:
                    break
                if first == last:
                    raise ModelError(
                        f"dialogue {dialogue.dialogue_id}, turn {last}: {length} tokens with its "
                        f"persona, the context holds {self.context}; raise base.context, or give "
                        "a base with a longer one (base.source, base.pretrain.context)"
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

    def _distracted(self, span: ReplySpan, dialogue: Dialogue) -> ReplySpan:
        if not self.distractors:
            return span
        turn, room = dialogue.turns[span.turn], self.context - span.start - 1
        wrong = [self.segment(text) for text in turn.candidates or () if text != turn.reply]
        closed = ((*ids[:room], self.format.closing) for ids in wrong)  # cut to fit the context
        return replace(span, distractors=tuple(closed))

    def persona(self, sentences: Sequence[str]) -> tuple[int, ...]:
        """Return the ids before the first turn: the persona, or the start mark without one."""
        if not (self.persona_text and sentences):
            return self.format.start
        ids = self.format.persona_open
        for sentence in sentences:
            ids += self.segment(sentence) + self.format.sentence_close
        return ids + self.format.persona_close

    def _turn(self, turn: Turn) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the ids given before the reply, and the reply's ids with its closing token."""
        prefix: tuple[int, ...] = ()
        if turn.partner != SILENCE:
            prefix = self.format.user_open + self.segment(turn.partner) + self.format.user_close
        return prefix + self.format.system_open, (*self.segment(turn.reply), self.format.closing)


def _window(
    opening: tuple[int, ...],
    turns: Sequence[tuple[tuple[int, ...], tuple[int, ...]]],
    first: int,
    scored: Sequence[int],
) -> Window:
    ids = list(opening)
    spans = []
    for index in range(first, scored[-1] + 1):
        prefix, reply = turns[index]
        ids += prefix
        if index in scored:
            spans.append(ReplySpan(index, len(ids), len(ids) + len(reply)))
        ids += reply
    return Window(tuple(ids), tuple(spans))
