"""ConvAI2's validation set: floors beside quoted systems, `python -m stages.convai2 PATH`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from pipeline.evaluation.report.cells import interval, published_number
from pipeline.evaluation.report.formats import FORMATS, TABLE_1
from pipeline.evaluation.report.published import Published, quoted_on
from pipeline.evaluation.report.rows import FLOOR_TITLES
from pipeline.evaluation.schemas.adapted_from import adapted
from pipeline.evaluation.schemas.base import Estimate, Estimates, read
from pipeline.evaluation.schemas.made_from import refuse_other_runs
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.convai2 import (
    ZERO_SHOT,
    is_todays_start,
    measure,
    read_tasks,
    validation_splits,
)
from pipeline.evaluation.studies.schemas import Convai2Floors, ZeroShotScores
from pipeline.params import Settings
from pipeline.params.inputs import json_with, refuse_others_file
from pipeline.params.stated import Made, refuse_other_params
from stages.shell import console


SEED = 0
SAMPLES = 10_000  # bootstrap draws over personas
FLOORS = ("random", "tfidf", "tfidf_persona", "tfidf_partner", "constant_reply", "frequent_words")
DECODED = {"ppl": "ppl", "hits_at_1": "hits_at_1", "f1": "greedy_f1"}  # as the others decode


def convai2(
    path: Annotated[
        Path,
        typer.Argument(
            help="Archive or folder with Persona-chat's text files, ConvAI2's own in it."
        ),
    ],
    valid: Annotated[
        list[str] | None,
        typer.Option(help="Splits that hold validation personas; valid and test if none is given."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The result.")] = artifacts.CONVAI2,
) -> None:
    """Score rankers and constant replies on ConvAI2's official candidates."""
    refuse_others_file(out, "--out", json_with(Convai2Floors.model_fields))
    splits = validation_splits(valid or (), "--valid")
    train, evaluated = (read_tasks(path, names, seed=SEED) for names in (["train"], splits))
    sha256 = artifacts.sha256_of(path)
    floors = measure(train, evaluated, Bootstrap(SAMPLES, SEED), sha256=sha256)
    artifacts.write_sealed(out, floors.content())
    if not console.out.is_terminal:
        console.out.width = console.WIDE
    console.out.print(_table(floors, _zero_shot(sha256, splits)))
    console.out.print(f"{out}: {floors.counts.personas} personas, {floors.counts.replies} replies")


def _zero_shot(sha256: str, splits: Sequence[str]) -> dict[str, Estimates]:
    """Return what `stages.zero_shot` measured on the same personas; name the files of others."""
    metrics, others = {}, []
    for path in sorted(ZERO_SHOT.glob("*.json")):
        scores = read(path, ZeroShotScores, made_by=f"zero_shot {path.stem}")
        same = scores.sha256 == sha256 and sorted(scores.splits) == sorted(splits)
        if same and _of_what_is_there(path, scores):
            metrics[path.stem] = scores.metrics
        else:
            others.append(path.stem)
    if others:
        console.out.print(
            "Left out, scored on other files or splits than these, with other parameters than "
            f"{artifacts.PARAMS} has, or by another model than is there: {', '.join(others)} in "
            f"{ZERO_SHOT}; `python -m stages.zero_shot` scores them again.",
            soft_wrap=True,
        )
    return metrics


def _of_what_is_there(path: Path, scores: ZeroShotScores) -> bool:
    """Say whether base, model and the parameters that made them are still those, if they are here.

    An older file does not say what trained its model; it counts as long as the model does not
    differ.
    """
    if (own := scores.made_from) is None:  # of an older version
        return True
    command = f"zero_shot {own.variant}"
    try:
        refuse_other_runs([adapted(path, command, own, own.variant)])
        if not artifacts.PARAMS.is_file():
            return True
        settings = Settings.load()
        spoken = scores.metrics.get(DECODED["f1"]) is not None and "generate" in own.params
        said = {"generate": own.params["generate"]} if spoken else {}
        refuse_other_params(settings, [Made(path, (own.made_with or {}) | said, own.variant)])
        return is_todays_start(own, settings)
    except (DataError, ParamsError):
        return False


def _table(floors: Convai2Floors, zero_shot: Mapping[str, Estimates]) -> Table:
    shown = Table(
        title="ConvAI2's validation set: measured here, with 95 % intervals over personas; quoted",
        title_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
    )
    shown.add_column("system", no_wrap=True)
    headings = (FORMATS[metric].heading for metric in TABLE_1)
    for heading in (*headings, "personas, tokenizer, unit of perplexity"):
        shown.add_column(heading)
    for name in FLOORS:
        floor = getattr(floors, name)
        values = (_measured(getattr(floor, metric, None), metric) for metric in TABLE_1)
        shown.add_row(FLOOR_TITLES[name], *values, "measured here")
    shown.add_section()
    for name, metrics in zero_shot.items():
        values = (_measured(metrics.get(DECODED[metric]), metric) for metric in TABLE_1)
        shown.add_row(f"{name}, zero-shot", *values, "per token, closing token counted")
    shown.add_section()
    for row in quoted_on("ConvAI2", "valid"):
        values = (published_number(getattr(row, metric)) for metric in TABLE_1)
        shown.add_row(f"quoted: {row.title}", *values, _how(row))
    return shown


def _measured(estimate: Estimate | None, metric: str) -> str:
    return interval(estimate, FORMATS[metric].digits, brackets="()")


def _how(row: Published) -> str:
    parts = (row.personas, row.tokenizer, row.ppl_unit if row.ppl else None, row.quoted_from)
    return "; ".join(part for part in parts if part)


if __name__ == "__main__":
    console.run(convai2)
