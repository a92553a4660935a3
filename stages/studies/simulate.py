"""Whether intervals and tests keep what they promise: `python -m stages.simulate`."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.records.headline import headline_records
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.made_from import ObservedFrom
from pipeline.evaluation.studies.population import observe, observed, skewed
from pipeline.evaluation.studies.schemas import PersonaSums
from pipeline.evaluation.studies.simulation import (
    Condition,
    ResultRow,
    StudySize,
    conditions,
    tabulate,
)
from pipeline.params.inputs import json_with, refuse_others_file
from pipeline.processes.parent import pool, results
from stages.shell import console
from stages.shell.progress.shown import progress


WORKERS = 2
_OBSERVED = ("variants", "personas", "replies", "sums")  # what `--population` holds at least
LEFT_OUT = ("_low", "_high", "_width")  # columns that are in the file alone
TITLES = {
    "intervals": "95 % intervals over personas: percent of runs that hold the truth",
    "tests": "Paired tests at 5 %: percent of runs that reject; d_z: percent held",
    "crossed": "95 % intervals, three training seeds: percent of runs that hold the truth",
}


def simulate(
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(help="Two variants' predictions, to observe the personas of; or none."),
    ] = None,
    population: Annotated[
        Path, typer.Option(help="The observed personas; written if predictions are given.")
    ] = artifacts.PERSONA_SUMS,
    out: Annotated[Path, typer.Option(help="The result.")] = artifacts.SIMULATION,
    runs: Annotated[int, typer.Option(min=1, help="Simulated experiments per row.")] = 4000,
) -> None:
    """Draw experiments from personas with a known truth; score and compare them."""
    refuse_others_file(out, "--out", json_with(("variants", *TITLES)))
    if _same(out, population):
        raise ParamsError(f"--out and --population are both {out}; name two files")
    if predictions:
        refuse_others_file(population, "--population", json_with(_OBSERVED))
        artifacts.write_sealed(population, _observe(predictions).model_dump(mode="json"))
    people = read(population, PersonaSums, made_by="simulate A.jsonl B.jsonl")
    study = StudySize(runs=runs)
    planned = conditions(observed(people), skewed(), study)
    tables = tabulate(planned, _rows(planned, study), study)
    made_from = {"population": artifacts.sha256_of(population)}
    artifacts.write_sealed(out, {"variants": people.variants, "made_from": made_from, **tables})
    if not console.out.is_terminal:
        console.out.width = console.WIDE
    for name, title in TITLES.items():
        console.out.print(_table(title, tables[name]))
    console.out.print(f"{out}: {runs} runs per row")


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _observe(predictions: Sequence[Path]) -> PersonaSums:
    if len(predictions) != 2:
        raise DataError(f"{len(predictions)} predictions files; give two variants', or none")
    if _same(*predictions):
        raise DataError(f"{predictions[0]}: given twice; give two variants' predictions")
    names = (predictions[0].stem, predictions[1].stem)
    folders = [path.parent for path in predictions]
    identities = [*map(predictions_file.read_identity, names, folders)]
    predictions_file.refuse_other_inputs(identities)
    a, b = map(headline_records, map(predictions_file.read, names, folders))
    made_from = ObservedFrom(
        predictions={identity.variant: identity.sha256 for identity in identities},
        tasks=identities[0].tasks,
        base=identities[0].base,
    )
    return observe(names, a, b).model_copy(update={"made_from": made_from})


def _rows(planned: Sequence[Condition], study: StudySize) -> list[ResultRow]:
    rows: dict[int, ResultRow] = {}
    with (
        progress("simulate", len(planned), unit="rows") as advance,
        pool(WORKERS, "free some, and run the same command again") as made,
    ):
        for (place, _), row in results(made, partial(_row, study=study), enumerate(planned)):
            rows[place] = row
            advance(len(rows), str(row["population"]))
    return [rows[place] for place in sorted(rows)]


def _row(numbered: tuple[int, Condition], study: StudySize) -> ResultRow:
    _, cell = numbered
    return cell.row(study)


def _table(title: str, rows: object) -> Table:
    shown = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    if not isinstance(rows, list) or not rows:
        return shown
    columns = [name for name in rows[0] if not name.endswith(LEFT_OUT)]
    for name in columns:
        shown.add_column(name, justify="left" if name == "population" else "right")
    for row in rows:
        cells = (row[name] for name in columns)
        shown.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells))
    return shown


if __name__ == "__main__":
    console.run(simulate)
