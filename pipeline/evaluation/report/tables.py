"""The tables of the page and of kept studies: levels, adaptation, heads, seeds, costs. No torch.

Every number in them is in a committed metrics file or in a training run's `variant.json`.
"""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.records.prompted import fit_words, same_prompts
from pipeline.evaluation.report.cells import NONE, compact, interval, published_number
from pipeline.evaluation.report.cost import cost_row
from pipeline.evaluation.report.formats import FORMATS, HEAD_HITS, NATS_DIGITS, TABLE_1
from pipeline.evaluation.report.published import published
from pipeline.evaluation.report.rows import (
    ahead,
    before_and_after,
    floor_rows,
    in_order,
    titles,
)
from pipeline.evaluation.report.table import Row, Table
from pipeline.evaluation.schemas.details import Details, Scores
from pipeline.evaluation.schemas.floors import FloorScores
from pipeline.model.files.variant_record import TrainingRun


def _row(name: str, cells: Sequence[str]) -> Row:
    return Row(name, cells, title=titles().get(name))


def levels(details: Mapping[str, Scores], floors: FloorScores | None) -> Table:
    """Return Table 1: ours beside the paper's, then floors."""
    paper = {row.variant: row for row in published() if row.variant is not None}
    rows = []
    for name in in_order(details):
        cells = []
        for metric in TABLE_1:
            theirs = getattr(paper[name], metric) if name in paper else None
            cells += [level(details[name], metric), published_number(theirs)]
        rows.append(_row(name, cells))
    for floor in [] if floors is None else floor_rows(floors):
        pairs = ((interval(floor.ours[m], FORMATS[m].digits), NONE) for m in TABLE_1)
        rows.append(Row(floor.title, [cell for pair in pairs for cell in pair], variant=False))
    headings = (text for metric in TABLE_1 for text in (FORMATS[metric].heading, "paper"))
    return Table(["variant", *headings], rows)


def level(details: Scores, metric: str, *, crossed: bool = False) -> str:
    """Return a metric after fine-tuning with its interval."""
    return interval(details.metrics.get(metric), FORMATS[metric].digits, crossed=crossed)


def start(details: Scores) -> str:
    """Return the perplexity at K = 0."""
    return interval(details.before_adaptation.get("ppl"), FORMATS["ppl"].digits)


def adaptation(details: Mapping[str, Scores]) -> Table:
    """Return what fine-tuning on a person's dialogues gave, and how much of it is personal."""
    headings = ("variant", "epoch", "perplexity at K = 0", "gain")
    more = ("gain from a stranger's dialogues", "swap gap", "which is")
    rows = []
    for name in in_order(details):
        one = details[name]
        nats = (interval(x, NATS_DIGITS) for x in (one.gain, one.swap_gain, one.swap_gap))
        rows.append(_row(name, [f"{one.headline.epoch}", start(one), *nats, one.adaptation]))
    return Table([*headings, *more], rows)


def warnings(details: Mapping[str, Scores]) -> list[tuple[str, str]]:
    """Return variant and sentence for each gain that could be taken for more than it is."""
    lines = []
    for name in in_order(details):
        one = details[name]
        if one.adaptation == "mostly not personal":
            gains = (interval(x, NATS_DIGITS) for x in (one.swap_gain, one.gain))
            stranger, own = gains
            lines.append(
                (
                    name,
                    "its gain is mostly not personal: a stranger's dialogues give "
                    f"{stranger} of {own} nats.",
                )
            )
        if (better := ahead(details, name)) is not None and one.headline.epoch > 0:
            lines.append(
                (
                    name,
                    f"ends no better than {better} is before any adaptation: perplexity "
                    f"{level(one, 'ppl')}, {better} at K = 0 {start(details[better])}.",
                )
            )
    return lines


def heads(details: Mapping[str, Scores]) -> Table:
    """Return Hits@1 by head and by likelihood of variants with a head; empty without any."""
    headings = ("variant", "head at K = 0", "head, fine-tuned", "likelihood at K = 0")
    rows = []
    for name in in_order(details):
        if details[name].metrics.get(HEAD_HITS) is None:
            continue
        cells = [
            interval(estimate, FORMATS[metric].digits)
            for metric in (HEAD_HITS, "hits_at_1")
            for estimate in before_and_after(details[name], metric)
        ]
        rows.append(_row(name, cells))
    return Table([*headings, "likelihood, fine-tuned"], rows)


def over_seeds(details: Mapping[str, Scores]) -> Table:
    """Return Table 1 with intervals that cover other training seeds; empty for a single seed."""
    rows = []
    for name in in_order(details):
        one = details[name]
        ppl = one.metrics.get("ppl")
        if ppl is None or ppl.crossed_low is None:
            continue
        cells = [level(one, metric, crossed=True) for metric in TABLE_1]
        rows.append(_row(name, [", ".join(map(str, one.counts.seeds)), *cells]))
    return Table(["variant", "seeds", *(FORMATS[metric].heading for metric in TABLE_1)], rows)


def costs(runs: Mapping[str, Sequence[TrainingRun]]) -> Table:
    """Return what each variant's training cost: counts, no times."""
    headings = ("variant", "steps (kept)", "replies in the loss", "in any loss", "tokens")
    rows = []
    for name in in_order(runs):
        if not runs[name]:
            continue
        row = cost_row(runs[name])
        steps = f"{row.steps:.0f} ({row.best_step:.0f})"
        counts = (f"{row.outer_replies:.0f}", f"{row.replies:.0f}", compact(row.tokens))
        sizes = f"{compact(row.trained_parameters)} of {compact(row.all_parameters)}"
        rows.append(_row(name, [steps, *counts, compact(row.operations), sizes]))
    return Table([*headings, "operations", "trained parameters"], rows)


def in_context(details: Mapping[str, Details]) -> Table:
    """Return how far the prompt is behind fine-tuning at each K; empty where it was not tried.

    Without those K whose prompts are a smaller K's, or hold no dialogue.
    """
    rows = []
    for name in in_order(details):
        prompts = details[name].k_shot.in_context or {}
        fitted = {k: prompted.mean_k for k, prompted in prompts.items()}
        for k in sorted(fitted.keys() - same_prompts(fitted).keys()):
            behind = interval(prompts[k].behind_fine_tuning, NATS_DIGITS)
            rows.append(_row(name, [f"{k}{fit_words(k, fitted[k])}", behind]))
    return Table(["variant", "K", "behind fine-tuning, nats per token"], rows)


def short_prompts(details: Mapping[str, Details]) -> bool:
    """Say whether fewer dialogues than K fit into prompts somewhere."""
    shots = (one.k_shot.in_context or {} for one in details.values())
    return any(prompted.mean_k < k for prompts in shots for k, prompted in prompts.items())
