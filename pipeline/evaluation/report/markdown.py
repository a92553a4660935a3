"""Tables and names as Markdown. No torch."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; an empty text if it has no rows."""
    lines = [" | ".join(row) for row in rows]
    if not lines:
        return ""
    rule = "|".join("---" for _ in headings)
    return "\n".join([f"| {' | '.join(headings)} |", f"|{rule}|", *(f"| {x} |" for x in lines)])


def code(name: str) -> str:
    """Return a variant's name in code font."""
    return f"`{name}`"


def section(heading: str, *content: str) -> list[str]:
    """Return the heading and its content; nothing if all of the content is empty."""
    return [heading, *content] if any(content) else []
