"""Tables and names as Markdown. No torch."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; an empty text if it has no rows.

    A user's words stay in their cell: a bar would begin another cell, a line end another row.
    """
    lines = [" | ".join(_cell(text) for text in row) for row in rows]
    if not lines:
        return ""
    rule = "|".join("---" for _ in headings)
    return "\n".join([f"| {' | '.join(headings)} |", f"|{rule}|", *(f"| {x} |" for x in lines)])


def _cell(text: str) -> str:
    return " ".join(text.splitlines()).replace("|", r"\|")


def code(name: str) -> str:
    """Return a variant's name in code font."""
    return f"`{name}`"
