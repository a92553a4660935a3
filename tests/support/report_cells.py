"""The cells of the report's tables."""


def cells(text: str, first: str) -> list[str]:
    """Return the cells of the table row whose first cell is `first`."""
    (row,) = (line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]
