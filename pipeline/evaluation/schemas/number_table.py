"""The CSV files of stages and studies, a row per line: read in one place, and checked. No torch.

A file that a disk or an editor has damaged is told by its line: a cell that is no number, a row
with a cell too few, a last line without its end. `Kind` says what a sort of file has to hold.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path

from pipeline.errors import DataError, one_line
from pipeline.evaluation.schemas.bounds import require_order, require_range


CsvRow = Mapping[str, str]


@dataclass(frozen=True)
class Kind:
    """What a sort of file holds.

    Attributes:
        filled: columns that every row has a number in.
        names: columns that every row has a name in.
        later: columns of names that files of an older version lack.
        words: columns that hold one of these words.
        texts: whether columns that are not named may hold any text; else a number, or nothing.
        infinite: whether a number may be infinite, or none: what diverged.
        bounded: metrics with columns `_low` and `_high`, whose values have bounds.
        rows: the fewest rows.
    """

    filled: Sequence[str]
    names: Sequence[str] = ()
    later: Sequence[str] = ()
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    texts: bool = False
    infinite: bool = False
    bounded: Sequence[str] = ()
    rows: int = 1


METRICS = ("ppl", "hits_at_1", "f1")
SUMS = Kind(("seed",), ("persona",))  # sums/VARIANT.csv of a study
KSHOT = Kind(("k", "personas"), bounded=METRICS, rows=0)  # metrics/kshot/VARIANT.csv
HISTORY = Kind(("step",), infinite=True, rows=0)  # history.csv of a training run
TRIALS = Kind(  # tuning/VARIANT.csv
    ("trial", "valid_nats"),
    later=("train", "valid", "base", "made_with"),
    words={"chosen": ("true", "false")},
    texts=True,
    infinite=True,
)
RATES = Kind(  # tuning/VARIANT_by_k.csv
    ("k", "lr", "epochs", "valid_nats"),
    later=("model", "base", "valid", "made_with"),
    words={"chosen": ("true", "false"), "optimizer": ("sgd", "adam")},
    infinite=True,
)


def made_again_by(command: str) -> str:
    """Return the remedy for a file that a stage writes."""
    return f"run `python -m stages.{command}` (or `dvc repro`)"


def read_text(path: Path, kind: Kind, *, remedy: str) -> str:
    """Return a file's text as it is, once it is checked; `remedy` says what to do if it is wrong.

    Raises:
        DataError: there is no such file; it is not UTF-8; or as `rows_of`.
    """
    if not path.is_file():
        raise DataError(f"{path}: not found; {remedy}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8 text; {remedy}") from error
    rows_of(text, kind, path, remedy=remedy)
    return text


def read_rows(path: Path, kind: Kind, *, remedy: str) -> list[CsvRow]:
    """Return a file's rows, checked.

    Raises:
        DataError: as `read_text`.
    """
    return parsed(read_text(path, kind, remedy=remedy))


def parsed(text: str) -> list[CsvRow]:
    """Return the rows of a text that was checked."""
    return [*csv.DictReader(io.StringIO(text, newline=""))]


def rows_of(text: str, kind: Kind, origin: object, *, remedy: str) -> list[CsvRow]:
    """Return a text's rows, each cell by its column.

    Raises:
        DataError: names the line, the column, what was found and what was expected.
    """

    def wrong(line: int, what: str) -> DataError:
        return DataError(f"{origin}:{line}: {what}; {remedy}")

    lines = [*_lines(text, wrong)]
    header = lines[0][1] if lines else []
    if problem := _wrong_header(header, kind):
        raise wrong(1, problem)
    if text and not text.endswith("\n"):
        raise wrong(lines[-1][0], "the file ends within a line: it was cut off")
    if len(lines) <= kind.rows:
        raise wrong(1, f"{len(lines) - 1} rows found, {kind.rows} or more were expected")
    rows: list[CsvRow] = []
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise wrong(line, f"{len(cells)} cells found, {len(header)} were expected")
        row = dict(zip(header, cells, strict=True))
        if problem := _problem(row, kind):
            raise wrong(line, problem)
        rows.append(row)
    return rows


def _lines(text: str, wrong: Callable[[int, str], DataError]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise wrong(reader.line_num, one_line(error)) from error


def _wrong_header(header: Sequence[str], kind: Kind) -> str | None:
    ends = [f"{metric}{end}" for metric in kind.bounded for end in ("", "_low", "_high")]
    needed = [*kind.filled, *kind.names, *kind.words, *ends]
    if lacking := [name for name in needed if name not in header]:
        return f"no column {lacking[0]!r}, found {one_line(', '.join(header))!r}"
    if len({*header}) < len(header):
        return f"a column is there twice: {one_line(', '.join(header))!r}"
    return None


def _problem(row: CsvRow, kind: Kind) -> str | None:
    """Say what is wrong in a row; null: nothing."""
    for column, cell in row.items():
        if problem := _wrong_cell(column, cell, kind):
            return problem
    try:
        _check_bounds(row, kind.bounded)
    except ValueError as error:
        return f"{error}"
    return None


def _wrong_cell(column: str, cell: str, kind: Kind) -> str | None:
    if (words := kind.words.get(column)) and cell not in words:
        return f"{column} {_shown(cell)}, one of {', '.join(words)} was expected"
    if words:
        return None
    if column in kind.names or column in kind.later:
        return None if cell.strip() else f"{column} {_shown(cell)}, a name was expected"
    if column in kind.filled or not (kind.texts or cell == ""):
        if not _is_number(cell, infinite=kind.infinite):
            return f"{one_line(column)} {_shown(cell)}, a number was expected"
        if column in kind.filled and not float(cell) >= 0:
            return f"{column} {_shown(cell)}, 0 or more was expected"
    return None


def _check_bounds(row: CsvRow, metrics: Sequence[str]) -> None:
    for metric in metrics:
        value, low, high = (
            float(row[name]) if row[name] else None
            for name in (metric, f"{metric}_low", f"{metric}_high")
        )
        for number in (value, low, high):
            if number is not None:
                require_range(metric, number)
        if value is not None:
            require_order(value, low, high, f"the interval of {metric},")


def _is_number(cell: str, *, infinite: bool) -> bool:
    try:
        number = float(cell)
    except ValueError:
        return False
    return "_" not in cell and cell.strip() == cell and (infinite or isfinite(number))


def _shown(cell: str) -> str:
    return f"{one_line(repr(cell), 60)} found"
