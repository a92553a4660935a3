"""Conversations in JSON Lines, UTF-8, one a line: refused where the training would refuse them."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize


ROLES = ("system", "user", "assistant")
LONGEST_NAME = 500  # characters
CANDIDATES = 20  # of a reply, itself among them

Message = tuple[str, str]  # role, text


class UnusableError(Exception):
    """Conversations that cannot be used; the message is one line."""


def shown(text: object, longest: int = 200) -> str:
    """Return a text as it may stand in a message: cut, and nothing in it that a terminal obeys."""
    marks = (c if c.isprintable() else ascii(c)[1:-1] for c in str(text)[:longest])
    return "".join(marks)


def records(
    path: Path, skip_broken: bool, left_out: Counter[str]
) -> Iterator[tuple[str, list[Message], list[str]]]:
    """Yield person, messages that have text, and persona of each line.

    Raises:
        OSError: the file cannot be read.
        UnusableError: it is empty, or a line is broken, and broken lines are not left out.
    """
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise UnusableError(f"{shown(path)}: empty; a conversation a line was expected")
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            if not (text := line.decode()).strip():
                continue
            record = json.loads(
                text, object_pairs_hook=_once, parse_constant=_finite, parse_float=_finite
            )
            person, persona = _checked(record)
        except (ValueError, RecursionError) as error:
            problem = _problem(error)
            if not skip_broken:
                raise UnusableError(f"{shown(path)}:{number}: {problem}; mend it") from error
            left_out["broken lines"] += 1
            continue
        said = [(m["role"], m["content"].strip()) for m in record["messages"]]
        if empty := sum(not text for _, text in said):
            left_out["messages without text"] += empty
        yield person, [message for message in said if message[1]], persona


def _problem(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 text ({error.reason})"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({shown(error)})"
    return "not JSON (too deep)" if isinstance(error, RecursionError) else shown(error)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    _require(len(dict(pairs)) == len(pairs), "not JSON (a key is there twice)")
    return dict(pairs)


def _finite(text: str) -> float:
    _require(bool(re.match("-?[0-9]", text)), f"not JSON ({text})")
    _require(abs(float(text)) != float("inf"), f"not JSON ({text} is too large)")
    return float(text)


def _checked(record: Any) -> tuple[str, list[str]]:
    """Return a record's person and persona sentences.

    Raises:
        ValueError: it is no conversation; the message says why.
    """
    _require(isinstance(record, dict), "an object with person and messages was expected")
    person = _name(record.get("person"))
    _require(person is not None, 'no "person", whose name or number was expected')
    _require(_is_name(record.get("conversation")), '"conversation" is no name')
    messages, persona = record.get("messages"), record.get("persona", [])
    _require(isinstance(messages, list) and messages != [], 'no "messages", a list was expected')
    for message in messages:
        _require(isinstance(message, dict), "a message is no object with role and content")
        role = shown(repr(message.get("role")), 60)
        _require(message.get("role") in ROLES, f"unknown role {role}; one of {', '.join(ROLES)}")
        _require(_is_text(message.get("content")), 'the "content" of a message is no text')
    _require(
        isinstance(persona, list) and all(map(_is_text, persona)), '"persona" is no list of texts'
    )
    _require(record.get("split") in (None, "train", "valid", "test"), "unknown split")
    replies = [m["content"] for m in messages if m["role"] == "assistant"]
    _require(_fit(record.get("candidates"), replies), '"candidates" do not fit the messages')
    return str(person), persona


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise ValueError(problem)


def _name(given: Any) -> str | None:
    """Return a name, which may be a number, in one spelling of its accents; null: it is none."""
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not _is_text(given):
        return None
    name = same_name(given)
    return name if 0 < len(name) <= LONGEST_NAME else None


def same_name(given: str) -> str:
    """Return a name as it is compared: a Mac writes an accent as a character of its own."""
    return normalize("NFC", given.strip())


def _is_name(given: Any) -> bool:
    return given is None or _name(given) is not None


def _is_text(given: Any) -> bool:
    """Say whether something is a text, and no half of a surrogate pair, which JSON can spell."""
    return isinstance(given, str) and not re.search("[\ud800-\udfff]", given)


def _fit(candidates: Any, replies: Sequence[str]) -> bool:
    if candidates is None:
        return True
    return (
        isinstance(candidates, list)
        and len(candidates) == len(replies)
        and all(
            offered is None
            or (
                isinstance(offered, list)
                and all(map(_is_text, offered))
                and len(offered) == CANDIDATES
                and reply in offered
            )
            for offered, reply in zip(candidates, replies, strict=True)
        )
    )
