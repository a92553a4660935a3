"""Read a person's conversations as the training of this model read them.

`personalize.json` says how: how long a turn may be, what becomes of system messages. Turns are
joined, cut and left out alike, so that the same file gives the same losses.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from json_lines import (  # type: ignore[import-not-found]
    Message,
    UnusableError,
    records,
    same_name,
    shown,
)


Dialogue = tuple[list[str], list[tuple[str, str]]]  # persona, [(partner, reply), ...]


def read_person(
    path: Path, how: Mapping[str, Any], name: str | None = None
) -> tuple[str, list[Dialogue], str]:
    """Return the person that is meant, their dialogues, and what was left out.

    Raises:
        OSError, UnusableError: as `read_people`; or there are several people and none is named.
    """
    left_out = Counter[str]()
    people = read_people(path, how, left_out)
    person = _chosen(people, name, path)
    return person, people[person], f"left out: {_counts(left_out)}"


def read_people(
    path: Path, how: Mapping[str, Any], left_out: Counter[str]
) -> dict[str, list[Dialogue]]:
    """Return each person's dialogues in the file's order; what a person has twice counts once.

    Args:
        path: JSON Lines, UTF-8, a conversation a line.
        how: `longest`, `skip_broken` and `system`.
        left_out: counts what is left out.

    Raises:
        OSError: the file cannot be read.
        UnusableError: a line is broken, or nobody says anything.
    """
    people: dict[str, list[Dialogue]] = {}
    seen = set()
    for person, messages, persona in records(path, how["skip_broken"], left_out):
        dialogue = _tidied(messages, persona, how, left_out)
        said = (person, "\n".join(text for role, text in messages if role != "system"))
        if dialogue is None:
            left_out["conversations in which the person says nothing"] += 1
        elif said in seen:
            left_out["conversations that a person has twice"] += 1
        else:
            seen.add(said)
            people.setdefault(person, []).append(dialogue)
    if not people:
        reasons = f" (left out: {_counts(left_out)})" if left_out else ""
        raise UnusableError(f"{shown(path)}: no conversation with a reply of a person{reasons}")
    return people


def _chosen(people: Mapping[str, Any], name: str | None, path: Path) -> str:
    if name is None and len(people) == 1:
        return next(iter(people))
    if name is not None and same_name(name) in people:
        return same_name(name)
    found = f"{len(people)} people" if name is None else f"no person {shown(name)!r}"
    names = ", ".join(shown(each, 40) for each in [*people][:8])
    more = f", and {len(people) - 8} more" if len(people) > 8 else ""
    raise UnusableError(f"{shown(path)}: {found}; name one with --name: {names}{more}")


def _counts(left_out: Mapping[str, int]) -> str:
    return "; ".join(f"{count} {what}" for what, count in left_out.items()) or "nothing"


def _tidied(
    messages: Iterable[Message],
    persona: Sequence[str],
    how: Mapping[str, Any],
    left_out: Counter[str],
) -> Dialogue | None:
    """Return a dialogue whose sides alternate, up to the person's last word; null: it has none."""
    context, said = _with_context(messages, how["system"], left_out)
    turns = [(role, [text for _, text in run]) for role, run in groupby(said, lambda m: m[0])]
    if turns and turns[-1][0] == "user":
        left_out["messages at an end without a reply"] += len(turns.pop()[1])
    if not turns:
        return None
    exchanges, partner = [], ""
    for role, texts in turns:
        text = _cut("\n".join(texts), role, how["longest"], left_out)
        if role == "assistant":
            exchanges.append((partner, text))
        partner = text if role == "user" and text != how["silence"] else ""
    first = [_cut(text, "system", how["longest"], left_out) for text in context]
    return first + [each.strip() for each in persona if each.strip()], exchanges


def _with_context(
    messages: Iterable[Message], system: str, left_out: Counter[str]
) -> tuple[list[str], list[Message]]:
    """Return the system messages before all others, and the rest: a later one is the partner's."""
    context, said = list[str](), list[Message]()
    for role, text in messages:
        if role != "system":
            said.append((role, text))
        elif system == "drop":
            left_out["system messages"] += 1
        elif said:
            said.append(("user", text))
        else:
            context.append(text)
    return context, said


def _cut(text: str, role: str, longest: int | None, left_out: Counter[str]) -> str:
    """Return at most so many characters: of the other side the end, else the beginning."""
    if longest is None or len(text) <= longest:
        return text
    left_out[f"ends of {'system messages' if role == 'system' else 'turns'} that are too long"] += 1
    if role != "user":
        kept = text[: longest + 1].rsplit(maxsplit=1)
        return kept[0] if len(kept) == 2 else text[:longest].strip() or text.strip()[:longest]
    kept = text[-longest - 1 :].split(maxsplit=1)
    return kept[1] if len(kept) == 2 else text[-longest:].strip()
