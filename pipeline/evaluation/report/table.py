"""A table as text cells, and as Markdown or LaTeX. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from tabulate import tabulate

from pipeline.evaluation.report import markdown as md


LATEX = {  # what LaTeX has no letter for
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "–": "--",
    "²": r"\textsuperscript{2}",
    "φ": r"$\varphi$",
    "Φ": r"$\Phi$",
}


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        head: what the line is about: a variant's name, or words.
        cells: the other cells.
        variant: whether `head` is a variant's name.
        title: what the paper calls the variant, where it knows it.
    """

    head: str
    cells: Sequence[str]
    variant: bool = True
    title: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows below headings; the first heading is that of the rows' heads."""

    headings: Sequence[str]
    rows: Sequence[Row]

    def __bool__(self) -> bool:
        """Whether it has a row."""
        return bool(self.rows)


def markdown(table: Table) -> str:
    """Return the table as Markdown, variants in code font; an empty text if it has no rows."""
    rows = [[md.code(row.head) if row.variant else row.head, *row.cells] for row in table.rows]
    return md.table(table.headings, rows)


def latex(table: Table) -> str:
    """Return the table as LaTeX with `booktabs`, the paper's names for variants."""
    rows = [[row.title or row.head, *row.cells] for row in table.rows]
    text = tabulate(
        rows,
        headers=table.headings,
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=["left", *("right" for _ in table.headings[1:])],
    )
    for letter, command in LATEX.items():
        text = text.replace(letter, command)
    return f"{text}\n"
