"""A study's tables as Markdown, in the headings and digits of the report's. No torch."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.evaluation.kept.study import Study
from pipeline.evaluation.report import tables as report
from pipeline.evaluation.report.cells import (
    NONE,
    compact,
    interval,
    number,
    p_value,
    published_number,
)
from pipeline.evaluation.report.cost import cost_row
from pipeline.evaluation.report.formats import FORMATS, HEAD_HITS, NATS_DIGITS, TABLE_1, digits_of
from pipeline.evaluation.report.markdown import code, table
from pipeline.evaluation.report.paired_tests import HEADINGS as MEASURED
from pipeline.evaluation.report.paired_tests import cells
from pipeline.evaluation.report.published import published, quoted_on
from pipeline.evaluation.report.rows import Table1Row, floor_rows, in_order
from pipeline.evaluation.report.table import markdown
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.comparison import NOT_DISTINGUISHABLE
from pipeline.evaluation.schemas.kept import KeptTest


PMI = "hits_at_1_by_pmi"
HEADINGS = ("first – second", *MEASURED)


def levels(study: Study) -> str:
    """Return Table 1 with floors; beside the paper's where the corpus is not synthetic."""
    if study.params.get("data", {}).get("source") != "synthetic":
        return markdown(report.levels(study.details, study.table_1_floors))
    rows = [
        [code(name), *(interval(study.of(name).metrics.get(m), d) for m, d in _digits())]
        for name in in_order(study.details)
    ]
    rows += [
        [floor.title, *(interval(floor.ours[m], d) for m, d in _digits())]
        for floor in _floor_rows(study)
    ]
    return table(["variant", *_headings()], rows)


def floors(study: Study) -> str:
    """Return the floors as a sentence."""
    shown = []
    for floor in _floor_rows(study):
        scores = (
            f"{FORMATS[metric].name} {interval(score, digits_of(metric))}"
            for metric, score in floor.ours.items()
            if score is not None
        )
        shown.append(f"{floor.title}: {', '.join(scores)}")
    return f"Floors. {'; '.join(shown)}."


def _floor_rows(study: Study) -> list[Table1Row]:
    floors = study.table_1_floors
    return [] if floors is None else floor_rows(floors)


def _digits() -> Iterable[tuple[str, int]]:
    return ((metric, digits_of(metric)) for metric in TABLE_1)


def _headings() -> Iterable[str]:
    return (FORMATS[metric].heading for metric in TABLE_1)


def summary(study: Study, names: Sequence[str]) -> str:
    """Return where each variant starts, what it gains, whose gain that is, where it ends."""
    headings = ("variant", "perplexity at K = 0", "gain", "swap gap", "the gain is")
    rows = []
    for name in names:
        one = study.of(name)
        before = one.before_adaptation.get("ppl")
        nats = (interval(x, NATS_DIGITS) for x in (one.gain, one.swap_gap))
        ends = (interval(one.metrics.get(m), d) for m, d in _digits())
        start = NONE if before is None else number(before.value, 2)
        rows.append([code(name), start, *nats, one.adaptation, *ends])
    return table([*headings, *_headings()], rows)


def claims(tests: Sequence[KeptTest]) -> str:
    """Return the tests that were kept; those by Hits@1 and F1 only where they tell a pair apart."""
    rows = [
        [test.question or NONE, _pair(test), *cells(test), *_over_seeds(test)]
        for test in tests
        if test.metric not in ("hits_at_1", "f1") or _tells(test)
    ]
    crossed = any(test.over_seeds is not None for test in tests)
    headings = ["question", *HEADINGS, "over seeds", "p after Holm", "the first is"]
    return table(*_cut(headings, rows, len(headings) if crossed else 1 + len(HEADINGS)))


def _pair(test: KeptTest) -> str:
    return f"{code(test.a)} – {code(test.b)}"


def _tells(test: KeptTest) -> bool:
    crossed = test.over_seeds is not None and test.over_seeds.verdict != NOT_DISTINGUISHABLE
    return test.verdict != NOT_DISTINGUISHABLE or crossed


def _over_seeds(test: KeptTest) -> list[str]:
    if test.over_seeds is None:
        return [NONE, NONE, NONE]
    crossed = test.over_seeds
    difference = interval(crossed.difference, digits_of(test.metric))
    return [difference, p_value(crossed.p_holm), crossed.verdict]


def _cut(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[list[str], list[list[str]]]:
    return list(headings[:width]), [list(row[:width]) for row in rows]


def kshot(study: Study, names: Sequence[str] | None = None) -> str:
    """Return perplexity at each K of Fig. 3, on the same replies."""
    if names is None:
        names = [name for name in in_order(study.kshot) if len(study.kshot[name]) > 1]
    if not names:
        return ""
    ks = [row["k"] for row in study.kshot[names[0]]]
    rows = [[code(name), *(_at_k(study, name, k) for k in ks)] for name in names]
    return table(["variant", *(f"K = {k}" for k in ks)], rows)


def _at_k(study: Study, name: str, k: str) -> str:
    """Return a cell; a variant may have been run with fewer K."""
    for row in study.kshot[name]:
        if row["k"] == k:
            ends = [float(row[end]) if row[end] else None for end in ("ppl_low", "ppl_high")]
            ppl = Estimate(value=float(row["ppl"]), low=ends[0], high=ends[1])
            return interval(ppl, digits_of("ppl"))
    return NONE


def costs(study: Study) -> str:
    """Return what each variant's training cost, where its runs were kept."""
    headings = ("variant", "steps (kept)", "replies in the loss", "in any loss", "operations")
    rows = []
    for name in in_order(study.runs):
        row = cost_row(study.runs[name])
        steps = f"{row.steps:.0f} ({row.best_step:.0f})"
        counts = (f"{row.outer_replies:.0f}", f"{row.replies:.0f}", compact(row.operations))
        sizes = f"{compact(row.trained_parameters)} of {compact(row.all_parameters)}"
        rows.append([code(name), steps, *counts, sizes])
    return table([*headings, "trained parameters"], rows)


def runs(study: Study) -> str:
    """Return what each kept run's parameters differ by from the study's `params.yaml`."""
    rows = [
        [code(run), ", ".join(f"{code(key)} {_value(value)}" for key, value in changes.items())]
        for run, changes in study.run_changes.items()
        if changes
    ]
    return table(["run", "its own parameters"], rows) if rows else ""


def _value(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def rankings(study: Study, names: Sequence[str] | None = None) -> str:
    """Return Hits@1 by head, by likelihood and by PMI, of the variants that have a head first."""
    names = [n for n in in_order(study.details) if _has_head(study, n)] if names is None else names
    rows = []
    for name in names:
        one = study.of(name)
        cells = [
            interval(part.get(metric), 1)
            for metric in (HEAD_HITS, "hits_at_1", PMI)
            for part in (one.before_adaptation, one.metrics)
        ]
        rows.append([code(name), *cells])
    rules = ("head", "likelihood", "PMI")
    return table(["variant", *(f"{r}{w}" for r in rules for w in (" at K = 0", ""))], rows)


def _has_head(study: Study, name: str) -> bool:
    return study.of(name).metrics.get(HEAD_HITS) is not None


def trials(study: Study) -> str:
    """Return every trial of a search: its point, its score on valid, its cost."""
    headings = ("variant", "values tried", "nats per token on valid", "best epoch", "chosen")
    known = ("trial", "valid_nats", "epoch", "chosen", "steps", "best_step", "replies")
    rows = []
    for name, row in ((name, row) for name, trials in study.trials.items() for row in trials):
        made_from = ("seed", "model", "base", "train", "valid", "made_with")
        passed_over = (*known, "outer_replies", "operations", *made_from)
        keys = [key for key in row if key not in passed_over]
        point = ", ".join(f"`{key}` {row[key]}" for key in keys)
        said = {key: row.get(key) or NONE for key in (*known, "outer_replies", "operations")}
        cost = (said["steps"], said["replies"], said["outer_replies"])
        counted = said["operations"].isdigit()  # a trial that diverged has none, and no epoch
        operations = compact(float(said["operations"])) if counted else NONE
        score = number(float(row["valid_nats"]), 3)
        chosen = "yes" if row["chosen"] == "true" else ""
        rows.append([code(name), point, score, said["epoch"], chosen, *cost, operations])
    return table([*headings, "steps", "in any loss", "in the outer loss", "operations"], rows)


def quoted() -> str:
    """Return what others report on ConvAI2's validation set; none of it is measured here."""
    headings = ("system", *_headings())
    rows = [
        [
            f"quoted: {row.title}",
            *(published_number(getattr(row, metric)) for metric in TABLE_1),
            row.personas or "not said",
            "; ".join(part for part in (row.tokenizer, row.ppl and row.ppl_unit) if part)
            or "not said",
            row.quoted_from,
        ]
        for row in quoted_on("ConvAI2", "valid")
    ]
    return table([*headings, "personas", "tokenizer; unit of perplexity", "quoted from"], rows)


def paper(variant: str, metric: str) -> str:
    """Return a number of the paper's Table 1, as printed."""
    (row,) = (row for row in published() if row.variant == variant)
    return published_number(getattr(row, metric))


def estimate(value: Any, digits: int) -> str:
    """Return an estimate of a JSON file."""
    return interval(Estimate.model_validate(value), digits)
