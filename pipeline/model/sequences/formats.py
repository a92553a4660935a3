r"""How a dialogue is marked (Appendix A): the paper's special tokens, plain lines, the base's chat.

    special  <|persona|> s1 s2 <|/persona|><|user|> u1 <|/user|><|system|> r1 <|/system|>
    plain    Persona of B: s1 s2\nA: u1\nB: r1\n
    chat     the base's own chat template (`chat.py`)

Marks are ids, made once. Texts are encoded apart from them, so a text's ids do not depend on what
stands beside it, and a mark's name in a text is text.
"""

from dataclasses import dataclass
from typing import Any

from pipeline.errors import ModelError
from pipeline.model.base.special_tokens import SPECIAL_TOKENS


LINE_END = "\n"


@dataclass(frozen=True)
class Blanks:
    """What stands before a text and belongs to its first token: a blank, or nothing."""

    persona: str = " "
    after_persona: str = " "  # before the first partner's text, where the persona's mark opens it
    after_start: str = " "  # the same without persona
    user: str = " "
    reply: str = " "
    reply_end: str = ""  # after a reply, before its closing token

    @property
    def alike(self) -> bool:
        """Whether the same ids may be a reply to one side and a partner's text to the other."""
        return {self.after_persona, self.after_start, self.user} == {self.reply + self.reply_end}


@dataclass(frozen=True)
class Format:
    """The ids that mark segments."""

    persona_open: tuple[int, ...]
    sentence_close: tuple[int, ...]
    persona_close: tuple[int, ...]
    user_open: tuple[int, ...]
    user_close: tuple[int, ...]
    system_open: tuple[int, ...]
    start: tuple[int, ...]  # before the first turn if there is no persona text
    closing: int  # ends a reply; part of its loss
    blanks: Blanks = Blanks()
    # Whether `start` and `persona_close` open the first partner's text. A partner that is silent
    # then has an empty text; else no mark at all.
    opens_user: bool = False
    reserved: tuple[str, ...] = ()  # marks that are text themselves, so that no text may hold them


def special_format(tokenizer: Any) -> Format:
    """Return the paper's format: segments "prepended and appended with special tokens".

    Raises:
        ModelError: the tokenizer lacks the special tokens.
    """
    ids = tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    if None in ids or len(set(ids)) != len(ids):
        raise ModelError("the base's tokenizer lacks the special tokens; run stage base again")
    persona, persona_end, user, user_end, system, system_end = ((i,) for i in ids)
    begin = begin_ids(tokenizer)
    return Format(begin + persona, (), persona_end, user, user_end, system, begin, system_end[0])


def plain_format(tokenizer: Any) -> Format:
    """Return the format of Appendix A's ablation: lines that any pre-trained model can read.

    A token that the tokenizer puts before every text begins a window. The end of a line ends a
    reply.

    Raises:
        ModelError: the end of a line is not one token.
    """
    line_end = text_ids(tokenizer, LINE_END)
    if len(line_end) != 1 or spelled(tokenizer, line_end) != LINE_END:
        raise ModelError(
            f"format plain: the base's tokenizer has {len(line_end)} tokens for the end of a line "
            f"(decoded as {spelled(tokenizer, line_end)!r}), but a reply ends with one; set the "
            "variant's format to special, or take another base"
        )
    begin = begin_ids(tokenizer)
    return Format(
        persona_open=begin + text_ids(tokenizer, "Persona of B:"),
        sentence_close=(),
        persona_close=line_end,
        user_open=text_ids(tokenizer, "A:"),
        user_close=line_end,
        system_open=text_ids(tokenizer, "B:"),
        start=begin,
        closing=line_end[0],
        reserved=(LINE_END,),
    )


def begin_ids(tokenizer: Any) -> tuple[int, ...]:
    """Return what a tokenizer puts before every text: its bos, or nothing, as GPT-2's."""
    text = tokenizer.encode("a", add_special_tokens=False)
    ids = tokenizer.encode("a", add_special_tokens=True)
    return tuple(ids[: ids.index(text[0])])


def unsayable(tokenizer: Any, form: Format) -> tuple[int, ...]:
    """Return the tokens that no response may hold: whatever is neither text nor the closing token.

    Special tokens, the base's own too. Where the closing token is text, as the end of a line is,
    also every other token that has this text in it.
    """
    special = {*tokenizer.all_special_ids}
    others: set[int] = set()
    if form.closing not in special:
        ending = spelled(tokenizer, (form.closing,))
        texts = tokenizer.backend_tokenizer.decode_batch(
            [[i] for i in range(len(tokenizer))], skip_special_tokens=False
        )
        others = {i for i, text in enumerate(texts) if ending in text}
    return tuple(sorted((special | others) - {form.closing}))


def text_ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Return the ids of a text; names of special tokens in it are text."""
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def spelled(tokenizer: Any, ids: tuple[int, ...]) -> str:
    """Return the text of ids, special tokens by their names."""
    return str(tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))
