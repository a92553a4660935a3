"""All files of `report/` as bytes by name: the page, tables, figures, points for DVC. No torch."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from pipeline import artifacts
from pipeline.evaluation.report import table, tables
from pipeline.evaluation.report.charts import figures
from pipeline.evaluation.report.charts.chart import Chart
from pipeline.evaluation.report.charts.draw import Order
from pipeline.evaluation.report.charts.files import svg_and_pdf
from pipeline.evaluation.report.formats import TABLE_1
from pipeline.evaluation.report.page.findings import Findings
from pipeline.evaluation.report.page.page import page
from pipeline.evaluation.report.rows import Table1Row, floor_rows, table_1
from pipeline.evaluation.schemas.number_table import parsed
from pipeline.progress import Advance, counted, untold


INDEX = "index.html"
KSHOT = artifacts.REPORT_KSHOT.name
TRAINING = "training.csv"
FIGURES = "figures"
FOR_PAPERS = ("fig3", "gains", "training")  # sections of the page
TABLES = ("table1.md", "table1.tex", "table1.csv")
OWN = (INDEX, *TABLES, KSHOT, TRAINING, FIGURES)  # all that may be in the folder
OWN_FIGURES = tuple(f"{section}.{kind}" for section in FOR_PAPERS for kind in ("svg", "pdf"))
PLOTTED = ("valid_loss", "valid_adapted_loss", "adaptation_gain")  # of training, where validated


def files(findings: Findings, advance: Advance = untold) -> dict[str, bytes]:
    """Return what the folder holds, by path in it; the same findings give the same bytes.

    `advance` is told of each of FOR_PAPERS that is drawn.
    """
    runs = [name for name, _ in findings.histories]
    order = figures.order([*findings.details, *runs])
    charts = {
        "fig3": figures.figure_3(findings.kshot),
        "more": figures.more_of_figure_3(findings.details),
        "gains": figures.gains(findings.details),
        "training": figures.training(findings.histories),
    }
    levels = tables.levels(findings.details, findings.floors)
    text = {
        INDEX: page(findings, charts, order),
        TABLES[0]: f"{table.markdown(levels)}\n",
        TABLES[1]: table.latex(levels),
        TABLES[2]: _levels(findings),
        KSHOT: by_variant(findings.kshot),
        TRAINING: _validations(findings.histories),
    }
    return {name: content.encode() for name, content in text.items()} | _figures(
        charts, order, advance
    )


def _figures(
    charts: Mapping[str, Sequence[Chart]], order: Order, advance: Advance
) -> dict[str, bytes]:
    """Return the page's charts as figures for a paper, the charts of a section as panels."""
    found: dict[str, bytes] = {}
    for section in counted(FOR_PAPERS, advance):
        if some := charts[section]:
            svg, pdf = svg_and_pdf(some, order)
            found |= {f"{FIGURES}/{section}.svg": svg.encode(), f"{FIGURES}/{section}.pdf": pdf}
    return found


def by_variant(kshot: Mapping[str, str]) -> str:
    """Return all variants' CSV files as one, with a first column `variant`."""
    header = next(iter(kshot.values())).splitlines()[0]
    lines = [f"{name},{line}" for name in kshot for line in kshot[name].splitlines()[1:]]
    return "\n".join([f"variant,{header}", *lines]) + "\n"


def _validations(histories: Mapping[tuple[str, int], str]) -> str:
    """Return every training run's validations as one CSV."""
    rows = []
    for (name, seed), text in histories.items():
        for row in parsed(text):
            values = [row.get(column) or "" for column in PLOTTED]
            if any(values):
                rows.append([name, f"{seed}", row["step"], *values])
    return _csv(["variant", "seed", "step", *PLOTTED], rows)


def _levels(findings: Findings) -> str:
    """Return Table 1 with all digits; what nobody measured is empty."""
    ends = ("", "_low", "_high", "_paper")
    header = ["kind", "title", *(f"{metric}{end}" for metric in TABLE_1 for end in ends)]
    rows = [*table_1(findings.details), *floor_rows(findings.floors)]
    return _csv(header, ([row.kind, row.title, *_numbers(row)] for row in rows))


def _numbers(row: Table1Row) -> list[str]:
    cells: list[float | None] = []
    for metric in TABLE_1:
        ours = row.ours[metric]
        cells += [None] * 3 if ours is None else [ours.value, ours.low, ours.high]
        cells.append(row.paper[metric])
    return ["" if cell is None else repr(cell) for cell in cells]


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([header, *rows])
    return stream.getvalue()
