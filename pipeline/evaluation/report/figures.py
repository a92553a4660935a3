"""The report's pictures: Fig. 3, gain over epochs at each K, training curves. No torch."""

import csv
import io
from collections.abc import Mapping, Sequence

from pipeline.evaluation.report.formats import FORMATS, TABLE_1
from pipeline.evaluation.report.rows import in_order
from pipeline.evaluation.report.svg import Line, Point, line_chart
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Details


Pictures = dict[str, str]  # SVG by file name

CURVES = {  # a chart, and the columns of a history.csv that it shows if the history has them
    "loss": ("inner_loss", "outer_loss", "loss", "valid_loss", "valid_adapted_loss"),
    "gain": ("inner_change", "adaptation_gain"),
    "reward": ("reward", "valid_reward"),
}


def figure_3(kshot: Mapping[str, str]) -> Pictures:
    """Return each metric of Table 1 against K, a line per variant.

    Args:
        kshot: the content of each variant's `metrics/kshot/VARIANT.csv`.
    """
    rows = {name: list(csv.DictReader(io.StringIO(kshot[name]))) for name in in_order(kshot)}
    pictures = {}
    for metric in TABLE_1:
        lines = [Line(name, _points(points, metric)) for name, points in rows.items()]
        if drawn := [line for line in lines if line.points]:
            label = FORMATS[metric].heading
            title, x = f"Fig. 3: {label} after K dialogues", "support dialogues (K)"
            pictures[f"fig3_{metric}.svg"] = line_chart(title, x, label, drawn)
    return pictures


def _points(rows: Sequence[Mapping[str, str]], metric: str) -> list[Point]:
    return [
        Point(
            float(row["k"]),
            float(row[metric]),
            _number(row[f"{metric}_low"]),
            _number(row[f"{metric}_high"]),
        )
        for row in rows
        if row[metric]
    ]


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def gains(details: Mapping[str, Details]) -> Pictures:
    """Return, for each K > 0, the gain over K = 0 by epoch: who converges faster."""
    pictures = {}
    for k in sorted({k for one in details.values() for k in one.k_shot.points if k > 0}):
        lines = []
        for name in in_order(details):
            point = details[name].k_shot.points.get(k)
            if point is not None and point.gain_by_epoch is not None:
                by_epoch = sorted(point.gain_by_epoch.items())
                lines.append(Line(name, [Point(0, 0.0), *(_point(e, g) for e, g in by_epoch)]))
        if lines:
            title = f"Gain by {k} of the person's dialogues"
            pictures[f"gain_k{k}.svg"] = line_chart(title, "epoch", "nats per token", lines)
    return pictures


def _point(epoch: int, gain: Estimate) -> Point:
    return Point(epoch, gain.value, gain.low, gain.high)


def training(name: str, history: str) -> Pictures:
    """Return the curves of one training run's `history.csv`, by step.

    Args:
        name: `VARIANT-seed-SEED`.
        history: the file's content.
    """
    rows = list(csv.DictReader(io.StringIO(history)))
    pictures = {}
    for kind, columns in CURVES.items():
        lines = [_curve(rows, column) for column in columns if rows and column in rows[0]]
        if drawn := [line for line in lines if line.points]:
            unit = kind if kind == "reward" else "nats per token"
            pictures[f"{name}-{kind}.svg"] = line_chart(f"{name}: {kind}", "step", unit, drawn)
    return pictures


def _curve(rows: Sequence[Mapping[str, str]], column: str) -> Line:
    return Line(column, [Point(float(r["step"]), float(r[column])) for r in rows if r[column]])
