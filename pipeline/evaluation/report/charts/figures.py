"""Which charts there are: Fig. 3 by every metric, gains over epochs, training curves. No torch."""

from collections.abc import Iterable, Mapping, Sequence

from pipeline.evaluation.report.charts.chart import Chart, Line, Point, chart, finite, thinned
from pipeline.evaluation.report.formats import FORMATS, TABLE_1, digits_of
from pipeline.evaluation.report.rows import in_order
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.number_table import parsed


K = "support dialogues (K)"
OF_THE_REPLIES = "reference_"  # metrics that no variant changes
CLEAN = "_clean"
MOST_POINTS = 150  # of a training curve; more are averaged

CURVES = {  # a chart of all training runs, and the columns of a history.csv that it shows, if any
    "train_loss": ("loss in training (outer loss)", "nats per token", ("outer_loss", "loss")),
    "inner_loss": ("loss of the inner loop's support", "nats per token", ("inner_loss",)),
    "inner_change": ("what the inner loop gains, in training", "nats per token", ("inner_change",)),
    "valid_loss": ("loss on valid, not adapted", "nats per token", ("valid_loss", "valid_nll")),
    "valid_adapted_loss": ("loss on valid, adapted", "nats per token", ("valid_adapted_loss",)),
    "adaptation_gain": ("gain by adapting, on valid", "nats per token", ("adaptation_gain",)),
    "reward": ("reward of self-play", "reward", ("reward",)),
    "valid_reward": ("reward of self-play, on valid", "reward", ("valid_reward",)),
}
MAY_BE_LOG = ("ppl", "ppl_without_end", "ppl_per_word")


def order(names: Iterable[str]) -> dict[str, int]:
    """Return the number of each row, by which it has its colour: Table 1's order."""
    return {name: number for number, name in enumerate(in_order(dict.fromkeys(names)))}


def figure_3(kshot: Mapping[str, str]) -> list[Chart]:
    """Return each metric of Table 1 against K, a line per variant.

    Args:
        kshot: the content of each variant's `metrics/kshot/VARIANT.csv`.
    """
    rows = {name: parsed(kshot[name]) for name in in_order(kshot)}
    charts = []
    for metric in TABLE_1:
        lines = [Line(name, _points(points, metric)) for name, points in rows.items()]
        if any(line.points for line in lines):
            charts.append(_by_k(metric, lines))
    return charts


def _by_k(metric: str, lines: Sequence[Line]) -> Chart:
    known = FORMATS.get(metric)
    label = metric.replace("_", " ") if known is None else known.heading
    return chart(
        f"fig3_{metric}",
        label,
        (K, label),
        lines,
        digits_of(metric),
        positive=metric in MAY_BE_LOG,
    )


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


def more_of_figure_3(details: Mapping[str, Details]) -> list[Chart]:
    """Return all other metrics against K; a metric that is nothing new is left out.

    Those are metrics of the real replies, and metrics on cleaned lists that equal the plain ones.
    """
    names = in_order(details)
    metrics = sorted(
        {m for n in names for p in details[n].k_shot.points.values() for m in p.metrics}
    )
    charts = []
    for metric in metrics:
        if metric in TABLE_1 or metric.startswith(OF_THE_REPLIES):
            continue
        lines = [Line(name, _of_details(details[name], metric)) for name in names]
        plain = [Line(n, _of_details(details[n], metric.removesuffix(CLEAN))) for n in names]
        if (metric.endswith(CLEAN) and lines == plain) or not any(line.points for line in lines):
            continue
        charts.append(_by_k(metric, lines))
    return charts


def _of_details(details: Details, metric: str) -> list[Point]:
    return [
        _point(k, estimate)
        for k, point in sorted(details.k_shot.points.items())
        if (estimate := point.metrics.get(metric)) is not None
    ]


def _point(x: int, estimate: Estimate) -> Point:
    return Point(x, estimate.value, estimate.low, estimate.high)


def gains(details: Mapping[str, Details]) -> list[Chart]:
    """Return, for each K > 0, the gain over K = 0 by epoch: who converges faster."""
    charts = []
    for k in sorted({k for one in details.values() for k in one.k_shot.points if k > 0}):
        lines = []
        for name in in_order(details):
            point = details[name].k_shot.points.get(k)
            if point is not None and point.gain_by_epoch is not None:
                by_epoch = sorted(point.gain_by_epoch.items())
                lines.append(Line(name, [Point(0, 0.0), *(_point(e, g) for e, g in by_epoch)]))
        if lines:
            title = f"gain by {'one' if k == 1 else k} of the person's dialogues"
            charts.append(chart(f"gain_k{k}", title, ("epoch", "nats per token"), lines, 3))
    return charts


def training(histories: Mapping[tuple[str, int], str]) -> list[Chart]:
    """Return the curves of all training runs by step, each measure of them a chart.

    Args:
        histories: the content of each run's `history.csv`, by variant and training seed.
    """
    runs = {key: parsed(text) for key, text in histories.items()}
    several = len({seed for _, seed in runs}) > 1
    charts = []
    for key, (title, unit, columns) in CURVES.items():
        lines, group = [], 1
        for (name, seed), rows in runs.items():
            points, means = thinned(finite(_curve(rows, columns)), MOST_POINTS)
            group = max(group, means)
            lines.append(Line(name, points, f"{name}, seed {seed}" if several else None))
        if any(line.points for line in lines):
            shown = title if group == 1 else f"{title}; means of {group} steps"
            charts.append(chart(f"training_{key}", shown, ("step", unit), lines, 3))
    return charts


def _curve(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> list[Point]:
    column = next((column for column in columns if rows and column in rows[0]), None)
    if column is None:
        return []
    return [Point(float(row["step"]), float(row[column])) for row in rows if row[column]]
