"""Print Table 1 beside the paper's, then adaptation, heads and costs: `python -m stages.table`.

With `--compare REV` it is beside that of another revision.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from pipeline import artifacts
from pipeline.errors import MissingFileError
from pipeline.evaluation.report import cells
from pipeline.evaluation.report import rows as tables
from pipeline.evaluation.report.cells import compact, published_number
from pipeline.evaluation.report.cost import CostRow, cost_rows
from pipeline.evaluation.report.formats import FORMATS, HEAD_HITS, NATS_DIGITS, TABLE_1
from pipeline.evaluation.report.rows import AdaptationRow, HeadRow, Table1Row
from pipeline.evaluation.schemas.base import Estimate, read
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.floors import Floors
from pipeline.evaluation.schemas.made_from import measured, refuse_other_runs
from pipeline.model.files.variant_record import VariantFile
from pipeline.params import AllParams, Settings
from pipeline.params.methods import made_by
from pipeline.params.stated import portable
from stages.commands.beside import beside
from stages.shell import console, one_run


def table(
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="REV", help="Table 1 beside that of a git revision, what differs marked."
        ),
    ] = None,
) -> None:
    """Print the tables from what stages score, floors and the training stages wrote."""
    settings = Settings.load()
    params = settings.check()
    details = _details(params.scored)
    runs = {name: _runs(name, params.seeds) for name in details}
    floors = _floors()
    _refuse_other_runs(details, runs, floors)
    every = [run for of_variant in runs.values() for run in of_variant]
    one_run.refuse_other_params(settings, runs=every, details=details)
    if compare is not None:
        beside(details, compare)
        console.out.require_all_said()
        return
    rows = tables.table_1(details) + (tables.floor_rows(floors) if floors else [])
    if not console.out.is_terminal:
        console.out.width = console.WIDE
    console.out.print(_table_1(rows))
    for row in rows:
        if row.note:
            console.out.print(f"{row.title}: {row.note}", markup=False, highlight=False)
    if floors and (said := tables.over_other_replies(floors, details)):
        console.out.print(said, markup=False, highlight=False)
    console.out.print(_comparability(params), markup=False, highlight=False)
    console.out.print(_adaptation(tables.adaptation_rows(details)))
    heads = tables.head_rows(details)
    if heads:
        console.out.print(_heads(heads))
    if costs := cost_rows(runs):
        console.out.print(_costs(costs))
    else:
        console.out.print("What training cost stands in models/, which is not here: `dvc pull`.")
    console.out.require_all_said()


def _floors() -> Floors | None:
    if not artifacts.FLOORS.is_file():
        return None
    return read(artifacts.FLOORS, Floors, made_by="floors", must_be_sealed=True)


def _refuse_other_runs(
    details: Mapping[str, Details], runs: Mapping[str, Sequence[VariantFile]], floors: Floors | None
) -> None:
    """Refuse rows of different runs, or of other data than are there."""
    files = one_run.of_runs(run for of_variant in runs.values() for run in of_variant)
    files += [*one_run.of_predictions(details), *one_run.of_details(details)]
    files += [measured(floors.made_from)] if floors else []
    refuse_other_runs(files)


def _details(variants: Sequence[str]) -> dict[str, Details]:
    files = {name: artifacts.details_file(name) for name in variants}
    scored = {name: path for name, path in files.items() if path.is_file()}
    if not scored:
        raise MissingFileError(artifacts.DETAILS / "VARIANT.json", "score VARIANT")
    return {
        name: read(path, Details, made_by=f"score {name}", must_be_sealed=True)
        for name, path in scored.items()
    }


def _table_1(rows: Sequence[Table1Row]) -> Table:
    papers = ["paper"] if _is_wide() else []
    headings = [text for metric in TABLE_1 for text in (FORMATS[metric].heading, *papers)]
    shown = _new(
        "Table 1: ours with 95 % intervals over personas, beside the paper's numbers", headings
    )
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        last = following is not None and following.kind != row.kind
        shown.add_row(row.title, *_scores(row), end_section=last)
    return shown


def _scores(row: Table1Row) -> list[str]:
    texts = []
    for metric in TABLE_1:
        digits = FORMATS[metric].digits
        ours, paper = _interval(row.ours[metric], digits), published_number(row.paper[metric])
        if _is_wide():
            texts += [ours, paper]
        else:
            texts.append(ours if row.paper[metric] is None else f"{ours}\npaper {paper}")
    return texts


def _adaptation(rows: Sequence[AdaptationRow]) -> Table:
    space = " " if _is_wide() else "\n"
    nats_headings = (FORMATS[name].heading for name in ("gain", "swap_gain", "swap_gap"))
    shown = _new(
        "Adaptation: gain by own (gain) or a stranger's (swap gain) dialogues, nats per token",
        [f"{FORMATS['ppl'].name}{space}at K = 0 ↓", *nats_headings],
    )
    for row in rows:
        nats = [_interval(value, NATS_DIGITS) for value in (row.gain, row.swap_gain, row.swap_gap)]
        about = f"epoch {row.epoch}: {row.adaptation}"
        if row.ahead is not None:
            about += f"; ends no better than {row.ahead} is at K = 0"
        shown.add_row(
            f"{row.title}\n  {about}", _interval(row.before, FORMATS["ppl"].digits), *nats
        )
    return shown


def _heads(rows: Sequence[HeadRow]) -> Table:
    shown = _new(
        "Hits@1 % by next-utterance prediction's head and by likelihood, as trained and fine-tuned",
        ["head at K = 0", "head", "likelihood at K = 0", "likelihood"],
    )
    for row in rows:
        rankings = (*row.by_head, *row.by_likelihood)
        digits = FORMATS[HEAD_HITS].digits
        shown.add_row(row.title, *(_interval(estimate, digits) for estimate in rankings))
    return shown


def _runs(variant: str, seeds: Sequence[int]) -> list[VariantFile]:
    paths = {seed: artifacts.model_dir(variant, seed) / "variant.json" for seed in seeds}
    return [
        read(path, VariantFile, made_by=made_by(variant, seed) or f"train {variant} {seed}")
        for seed, path in paths.items()
        if path.is_file()
    ]


def _costs(rows: Sequence[CostRow]) -> Table:
    line = " " if _is_wide() else "\n"
    headings = ["steps", "(kept)"], ["replies in loss", "/ in all"], ["trained", "/ all"]
    steps, replies, parameters = (line.join(heading) for heading in headings)
    shown = _new(
        "What one training run cost: counts, no times; trained and all parameters",
        [steps, replies, "tokens", "operations", parameters],
    )
    for row in rows:
        shown.add_row(
            row.title,
            f"{row.steps:.0f}{line}({row.best_step:.0f})",
            f"{row.outer_replies:.0f}{line}/ {row.replies:.0f}",
            *(compact(count) for count in (row.tokens, row.operations)),
            f"{compact(row.trained_parameters)}{line}/ {compact(row.all_parameters)}",
        )
    return shown


def _new(title: str, headings: Sequence[str]) -> Table:
    """Return an empty table; only its first column may be folded, never a number."""
    shown = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    shown.add_column("system", overflow="fold")
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    return shown


def _is_wide() -> bool:
    return console.out.width >= console.WIDE


def _interval(estimate: Estimate | None, digits: int) -> str:
    space = " " if _is_wide() else "\n"
    return cells.interval(estimate, digits, brackets="()", space=space)


def _comparability(params: AllParams) -> str:
    shown = portable(params.model_dump(mode="json"))
    data, base = shown["data"]["source"], shown["base"]["source"]
    ours = f"ours: data.source {data}, base.source {base}"
    paper = "the paper's: Persona-chat, GPT-2 (117M)"
    if params.data.source == "synthetic":
        return f"Other data, other model ({ours}; {paper}): the two are not comparable.\n"
    return f"Comparable only as far as data, model and protocol agree ({ours}; {paper}).\n"


if __name__ == "__main__":
    console.run(table)
