"""A training run's curves from its `history.csv`. No torch."""

import csv
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DataError
from pipeline.evaluation.report.svg import Line, Point, line_chart


def read_curve(path: Path, column: str) -> Line:
    """Return a column of a history by step; rows where it is empty are left out.

    Raises:
        DataError: there is no such file, column, or value in it.
    """
    if not path.is_file():
        raise DataError(f"{path}: not found; a folder under models/ holds a history.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or column not in rows[0]:
        there = ", ".join(rows[0]) if rows else "none"
        raise DataError(f"{path}: no column {column!r}; there are: {there}")
    try:
        points = [Point(float(row["step"]), float(row[column])) for row in rows if row[column]]
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: not a history: {error}") from error
    return Line(column, points)


def draw_history(path: Path, columns: Sequence[str]) -> str:
    """Return the SVG of some columns of a history, by step.

    Raises:
        DataError: as `read_curve`; or no column has a value.
    """
    lines = [read_curve(path, column) for column in columns]
    drawn = [line for line in lines if line.points]
    return line_chart("/".join(path.parts[-3:-1]), "step", ", ".join(columns), drawn)
