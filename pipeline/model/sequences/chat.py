"""The base's own chat template as a format: rendered with sentinels, cut into fixed marks.

A dialogue's persona becomes the system message, the partner the user, the person the assistant. A
template may do what it likes with messages; here it must put the same marks around each of them,
however many there are, or it is refused with the difference.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from pipeline.errors import ModelError, one_line
from pipeline.model.base.special_tokens import SPECIAL_TOKENS
from pipeline.model.sequences.formats import Blanks, Format, spelled
from pipeline.strict_json import strict_loads


DAY = date(2024, 7, 26)  # on which templates are rendered; that Llama's own fall back to
PERSONA = "sentinelpersona"
PERSONA_END = "\n\n"  # where the persona stands in the first user turn, as in Gemma 3's template

_TURNS = (1, 2, 3, 6)  # of the rendered dialogues
SANDBOX = Path(__file__).with_name("sandbox.py")
SECONDS = 20  # of the rendering process's time
MEMORY = 1 << 30  # bytes that it may take beyond what its imports take

_WAIT = 120.0  # seconds until it is given up
_REMEDY = "set the variant's format to special or plain, or give the base another template"


@dataclass(frozen=True)
class _Marks:
    """What a template puts around messages, as text."""

    start: str  # before the first user message, if there is no system message
    persona_open: str
    persona_close: str  # between system message and first user message
    reply_open: str  # between user message and reply
    between: str  # between reply and next user message
    end: str  # after the last reply


def chat_format(tokenizer: Any) -> Format:
    """Return the format of a base's chat template.

    Raises:
        ModelError: there is no template; it fails; or its marks differ from turn to turn.
    """
    template = tokenizer.chat_template
    if not isinstance(template, str):
        raise ModelError(
            "format chat: the base's tokenizer has no chat template; set the variant's format to "
            "special or plain, or take a base that was tuned for chats"
        )
    names = tuple(sorted((k, str(v)) for k, v in tokenizer.special_tokens_map.items() if v))
    marks = _marks(template, names)
    own = [name for name in tokenizer.all_special_tokens if name not in SPECIAL_TOKENS]
    names_of_tokens = sorted(own, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, names_of_tokens)) or r"(?!)")
    backend = _with_special_tokens(tokenizer.backend_tokenizer)

    def ids(text: str) -> tuple[int, ...]:
        return tuple(backend.encode(text, add_special_tokens=False).ids)

    blank, closing = _ending(marks, pattern)
    rest = marks.between.removeprefix(blank + closing)
    rest, user = _without_blank(rest)
    closing_ids = ids(closing + rest)
    if not closing_ids or spelled(tokenizer, closing_ids[:1]) != closing:
        raise _refused(f"ends a reply with {closing!r}, which is not one token of the base's")
    start, after_start = _without_blank(marks.start)
    persona_open, persona = _without_blank(marks.persona_open)
    persona_close, after_persona = _without_blank(marks.persona_close)
    reply_open, reply = _without_blank(marks.reply_open)
    if not reply_open:
        raise _refused("puts no mark between a user message and the reply")
    texts = [mark.strip(" ") for mark in (persona_close, reply_open) if not pattern.search(mark)]
    if not pattern.fullmatch(closing):
        texts.append(closing)
    return Format(
        persona_open=ids(persona_open),
        sentence_close=(),
        persona_close=ids(persona_close),
        user_open=closing_ids[1:],
        user_close=(),
        system_open=ids(reply_open),
        start=ids(start),
        closing=closing_ids[0],
        blanks=Blanks(persona, after_persona, after_start, user, reply, blank),
        opens_user=True,
        reserved=tuple(text for text in texts if text),
    )


def _ending(marks: _Marks, pattern: re.Pattern[str]) -> tuple[str, str]:
    """Return the blank after a reply, if any, and the text of its closing token."""
    special = pattern.search(marks.between)
    if special is not None:
        before = marks.between[: special.start()]
        if before in ("", " ") and marks.end.startswith(before + special.group()):
            return before, special.group()
    common = _common_start(marks.between, marks.end)
    if not common:
        raise _refused(
            f"ends the last reply with {one_line(repr(marks.end))}, and earlier ones with "
            f"{one_line(repr(marks.between))}"
        )
    return "", common


def _common_start(a: str, b: str) -> str:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))
    return "".join(letter for letter, _ in pairs)


def _without_blank(mark: str) -> tuple[str, str]:
    """Split off the blank that ends a mark: it belongs to the first token of the text behind."""
    return (mark[:-1], " ") if mark.endswith(" ") else (mark, "")


def _with_special_tokens(backend: Tokenizer) -> Tokenizer:
    """Return a copy that takes the base's special tokens for what they are, and ours for text."""
    values = json.loads(backend.to_str())
    values["added_tokens"] = [
        token for token in values["added_tokens"] if token["content"] not in SPECIAL_TOKENS
    ]
    copy = Tokenizer.from_str(json.dumps(values))
    copy.encode_special_tokens = False
    return copy


@lru_cache(maxsize=8)
def _marks(template: str, names: tuple[tuple[str, str], ...]) -> _Marks:
    """Return a template's marks, if they are the same for every turn of every dialogue."""
    asked = [(system, turns) for system in (False, True) for turns in _TURNS]
    answers = _rendered(template, dict(names), [_messages(*one) for one in asked])
    texts, errors = {}, {}
    for one, answer in zip(asked, answers, strict=True):
        texts[one], errors[one] = answer.get("text", ""), answer.get("error")
    for turns in _TURNS:
        if errors[False, turns]:
            raise _refused(f"fails ({one_line(errors[False, turns])})")
    plain = [_gaps(texts[False, turns], _sentinels(turns)) for turns in _TURNS]
    start = _same("begins a dialogue", [gaps[0] for gaps in plain])
    found = _around(plain)
    if all(PERSONA not in texts[True, turns] for turns in _TURNS):  # no system role, or left out
        return _Marks(start, start, PERSONA_END, *found)
    system = [_gaps(texts[True, turns], [PERSONA, *_sentinels(turns)]) for turns in _TURNS]
    same = _around([gaps[1:] for gaps in system])
    for what, without, with_it in zip(("opens", "parts", "ends"), found, same, strict=True):
        _same(f"{what} replies with and without a system message", [without, with_it])
    return _Marks(
        start,
        _same("begins a system message", [gaps[0] for gaps in system]),
        _same("ends a system message", [gaps[1] for gaps in system]),
        *found,
    )


def _around(dialogues: Sequence[Sequence[str]]) -> tuple[str, str, str]:
    """Return what stands before replies, between turns, and at the end, of all dialogues."""
    return (
        _same("begins replies", [gap for gaps in dialogues for gap in gaps[1:-1:2]]),
        _same("parts turns", [gap for gaps in dialogues for gap in gaps[2:-1:2]]),
        _same("ends a dialogue", [gaps[-1] for gaps in dialogues]),
    )


def _same(what: str, marks: Sequence[str]) -> str:
    other = next((mark for mark in marks if mark != marks[0]), None)
    if other is not None:
        raise _refused(
            f"{what} in two ways: {one_line(repr(marks[0]))} and {one_line(repr(other))}; every "
            "turn needs the same marks"
        )
    return marks[0]


def _sentinels(turns: int) -> list[str]:
    letters = "abcdefghijklmnop"[:turns]
    return [f"sentinel{role}{c}end" for c in letters for role in ("partner", "reply")]


def _messages(system: bool, turns: int) -> list[dict[str, str]]:
    roles = ["user", "assistant"] * turns
    said = zip(roles, _sentinels(turns), strict=True)
    head = [{"role": "system", "content": PERSONA}] if system else []
    return head + [{"role": role, "content": text} for role, text in said]


def _gaps(text: str, sentinels: Sequence[str]) -> list[str]:
    """Return what stands before, between and behind the sentinels."""
    gaps = []
    for sentinel in sentinels:
        before, shown, text = text.partition(sentinel)
        gaps.append(before)
        if not shown:
            break
    gaps.append(text)
    if len(gaps) <= len(sentinels) or any("sentinel" in gap for gap in gaps):
        raise _refused("does not show every message once, as it is, in their order")
    return gaps


def _rendered(
    template: str, names: Mapping[str, str], conversations: Sequence[Sequence[Mapping[str, str]]]
) -> list[dict[str, str]]:
    """Render dialogues in a process of its own (`sandbox.py`): `text` or `error` of each."""
    request: dict[str, Any] = {"template": template, "names": names, "memory": MEMORY}
    request |= {"conversations": conversations, "seconds": SECONDS, "day": DAY.isoformat()}
    command = [sys.executable, "-P", str(SANDBOX)]
    try:
        done = subprocess.run(
            command, input=json.dumps(request).encode(), capture_output=True, timeout=_WAIT
        )
    except subprocess.TimeoutExpired as error:
        raise _refused(f"is not rendered within {_WAIT:.0f} seconds") from error
    if done.returncode < 0:
        raise _refused(f"takes more than {SECONDS} seconds, or too much memory")
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise _refused(f"cannot be rendered ({one_line(lines[-1])})")
    try:
        return cast(list[dict[str, str]], strict_loads(done.stdout))
    except ValueError as error:
        raise _refused(f"is rendered with {error}") from error


def _refused(reason: str) -> ModelError:
    return ModelError(f"format chat: the base's chat template {reason}; {_REMEDY}")
