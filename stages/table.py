"""Show Table 1 beside the paper's, and what it leaves out: `python -m stages.table`."""

from collections.abc import Sequence

from rich.table import Table

from pipeline import artifacts
from pipeline.errors import MissingFileError
from pipeline.evaluation import table as tables
from pipeline.evaluation.table import AdaptationRow, Details, Interval, Row
from pipeline.params import AllParams, Settings
from stages import console


WIDTH = 132  # columns where the output is no terminal


def table() -> None:
    """Print both tables from what stages score and floors wrote."""
    params = Settings.load().check()
    details = _details(list(params.variants))
    rows = tables.table_1(details)
    if artifacts.FLOORS.is_file():
        rows += tables.floor_rows(artifacts.read_json(artifacts.FLOORS, made_by="floors"))
    _print(_table_1(rows))
    for row in rows:
        if row.note:
            console.out.print(f"{row.title}: {row.note}", markup=False, highlight=False)
    console.out.print(_comparability(params), markup=False, highlight=False)
    _print(_adaptation(tables.adaptation_rows(details)))


def _details(variants: Sequence[str]) -> dict[str, Details]:
    files = {name: artifacts.details_file(name) for name in variants}
    found = {name: path for name, path in files.items() if path.is_file()}
    if not found:
        raise MissingFileError(artifacts.DETAILS / "VARIANT.json", "score VARIANT")
    return {
        name: tables.parse_details(artifacts.read_json(path, made_by=f"score {name}"), path)
        for name, path in found.items()
    }


def _table_1(rows: Sequence[Row]) -> Table:
    shown = Table(title="Table 1: ours with 95 % intervals over personas, beside the paper's")
    shown.add_column("")
    for name in ("Perplexity ↓", "Hits@1 (%) ↑", "F1 (%) ↑"):
        shown.add_column(name, justify="right")
        shown.add_column("paper", justify="right", style="dim")
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        cells = [
            cell
            for metric in tables.METRICS
            for cell in (_interval(row.ours[metric], 2), _number(row.paper[metric], 2))
        ]
        last = following is not None and following.kind != row.kind
        shown.add_row(row.title, *cells, end_section=last)
    return shown


def _adaptation(rows: Sequence[AdaptationRow]) -> Table:
    shown = Table(title="Adaptation, in nats per token: own dialogues against a stranger's")
    for name in ("", "epoch", "K=0 ppl ↓", "gain", "swap gain", "swap gap", "remark"):
        shown.add_column(name, justify="left" if name in ("", "remark") else "right")
    for row in rows:
        nats = [_interval(value, 3) for value in (row.gain, row.swap_gain, row.swap_gap)]
        shown.add_row(row.title, str(row.epoch), _interval(row.before, 2), *nats, row.remark)
    return shown


def _interval(estimate: Interval | None, digits: int) -> str:
    if estimate is None:
        return "–"
    value = _number(estimate.value, digits)
    if estimate.low is None or estimate.high is None:
        return value
    return f"{value} ({_number(estimate.low, digits)},{_number(estimate.high, digits)})"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _comparability(params: AllParams) -> str:
    ours = f"ours: data.source {params.data.source}, base.source {params.base.source}"
    paper = "the paper's: Persona-chat, GPT-2 (117M)"
    if params.data.source == "synthetic":
        return f"Other data, other model ({ours}; {paper}): the two are not comparable.\n"
    return f"Comparable only as far as data, model and protocol agree ({ours}; {paper}).\n"


def _print(shown: Table) -> None:
    console.out.print(shown, width=None if console.out.is_terminal else WIDTH)


if __name__ == "__main__":
    console.run(table)
