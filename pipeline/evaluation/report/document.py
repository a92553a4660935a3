"""The report as Markdown: levels, adaptation, seeds, costs, paired tests, figures. No torch.

The same findings give the same text. Every number in it is in a committed metrics file.
"""

from collections.abc import Mapping, Sequence

from pipeline.evaluation.report import paired_tests
from pipeline.evaluation.report.cells import NONE, compact, interval, published_number
from pipeline.evaluation.report.cost import cost_row
from pipeline.evaluation.report.findings import Findings
from pipeline.evaluation.report.formats import FORMATS, HEAD_HITS, NATS_DIGITS, TABLE_1
from pipeline.evaluation.report.markdown import code, section, table
from pipeline.evaluation.report.published import published
from pipeline.evaluation.report.rows import ahead, before_and_after, floor_rows, in_order, table_1
from pipeline.evaluation.schemas.comparison import LevelTest
from pipeline.evaluation.schemas.details import Details, Scores
from pipeline.evaluation.schemas.floors import FloorScores


def document(findings: Findings, figures: Mapping[str, Sequence[str]]) -> str:
    """Return the whole report.

    Args:
        findings: what the stages wrote.
        figures: by heading, the files of pictures beside the report.
    """
    compared = findings.comparison
    others = paired_tests.distinguishable(compared.tests, compared.families.others, compared.alpha)
    adaptation_claims = paired_tests.claims(compared.adaptation.tests)
    parts = [
        "# Report",
        " ".join(findings.facts),
        "Brackets are 95 % intervals over personas (BCa bootstrap). Gains and gaps are in nats per "
        "token, closing tokens counted. Tests are paired over personas, with "
        "Holm's correction over those of the claims (`compare.claims`), and over those of all "
        "other pairs.",
        "## Table 1",
        levels(findings.details, findings.floors),
        *notes(),
        "## Adaptation",
        adaptation(findings.details),
        *warnings(findings.details),
        *section("### Whose adaptation is larger?", adaptation_claims),
        *section("## Ranking heads", heads(findings.details)),
        *section("## Training seeds", over_seeds(findings.details, compared.tests)),
        *section("## What training cost", costs(findings)),
        *section("## Paired tests", paired_tests.claims(compared.tests), *others),
        *section("## Support dialogues in the prompt instead", in_context(findings.details)),
    ]
    for heading, files in figures.items():
        pictures = (f"![{file.removesuffix('.svg')}]({file})" for file in files)
        parts += [f"## {heading}", *pictures]
    return "\n\n".join(part for part in parts if part) + "\n"


def levels(details: Mapping[str, Scores], floors: FloorScores | None) -> str:
    """Return Table 1: ours beside the paper's, then floors."""
    paper = {row.variant: row for row in published() if row.variant is not None}
    rows = []
    for name in in_order(details):
        row = [code(name)]
        for metric in TABLE_1:
            theirs = getattr(paper[name], metric) if name in paper else None
            row += [_level(details[name], metric), published_number(theirs)]
        rows.append(row)
    for floor in [] if floors is None else floor_rows(floors):
        cells = ((interval(floor.ours[m], FORMATS[m].digits), NONE) for m in TABLE_1)
        rows.append([floor.title, *(cell for pair in cells for cell in pair)])
    headings = (text for metric in TABLE_1 for text in (FORMATS[metric].heading, "paper"))
    return table(["variant", *headings], rows)


def _level(details: Scores, metric: str, *, crossed: bool = False) -> str:
    return interval(details.metrics.get(metric), FORMATS[metric].digits, crossed=crossed)


def notes() -> list[str]:
    """Return which of the paper's numbers were measured elsewhere, and how."""
    return [f"{row.title}: {row.note}" for row in table_1({}) if row.kind == "quoted" and row.note]


def adaptation(details: Mapping[str, Scores]) -> str:
    """Return what fine-tuning on a person's dialogues gave, and how much of it is personal."""
    headings = ("variant", "epoch", "perplexity at K = 0", "gain")
    more = ("gain from a stranger's dialogues", "swap gap", "which is")
    rows = []
    for name in in_order(details):
        one = details[name]
        nats = (interval(x, NATS_DIGITS) for x in (one.gain, one.swap_gain, one.swap_gap))
        rows.append([code(name), f"{one.headline.epoch}", _start(one), *nats, one.adaptation])
    return table([*headings, *more], rows)


def _start(details: Scores) -> str:
    """Return the perplexity at K = 0."""
    return interval(details.before_adaptation.get("ppl"), FORMATS["ppl"].digits)


def warnings(details: Mapping[str, Scores]) -> list[str]:
    """Return a line for each gain that a reader of the table could take for more than it is."""
    lines = []
    for name in in_order(details):
        one = details[name]
        if one.adaptation == "mostly not personal":
            lines.append(
                f"**`{name}`: its gain is mostly not personal**: a stranger's dialogues give "
                f"{interval(one.swap_gain, NATS_DIGITS)} of {interval(one.gain, NATS_DIGITS)} nats."
            )
        if (better := ahead(details, name)) is not None and one.headline.epoch > 0:
            lines.append(
                f"**`{name}` ends no better than `{better}` is before any adaptation**: perplexity "
                f"{_level(one, 'ppl')}, `{better}` at K = 0 {_start(details[better])}."
            )
    return lines


def heads(details: Mapping[str, Scores]) -> str:
    """Return Hits@1 by head and by likelihood of variants with a head; empty without any."""
    headings = ("head at K = 0", "head, fine-tuned", "likelihood at K = 0")
    rows = [
        [
            code(name),
            *(
                interval(estimate, FORMATS[metric].digits)
                for metric in (HEAD_HITS, "hits_at_1")
                for estimate in before_and_after(details[name], metric)
            ),
        ]
        for name in in_order(details)
        if details[name].metrics.get(HEAD_HITS) is not None
    ]
    return table(["variant", *headings, "likelihood, fine-tuned"], rows)


def over_seeds(details: Mapping[str, Scores], tests: Sequence[LevelTest]) -> str:
    """Return intervals and tests that cover other training seeds; empty for a single seed."""
    rows = []
    for name in in_order(details):
        one = details[name]
        ppl = one.metrics.get("ppl")
        if ppl is None or ppl.crossed_low is None:
            continue
        cells = (_level(one, metric, crossed=True) for metric in TABLE_1)
        rows.append([code(name), ", ".join(map(str, one.counts.seeds)), *cells])
    shown = table(["variant", "seeds", *(FORMATS[metric].heading for metric in TABLE_1)], rows)
    return "\n\n".join(part for part in (shown, paired_tests.over_seeds(tests)) if part)


def costs(findings: Findings) -> str:
    """Return what each variant's training cost: counts, no times."""
    headings = ("variant", "steps (kept)", "replies in the loss", "in any loss", "tokens")
    rows = []
    for name in in_order(findings.runs):
        if not findings.runs[name]:
            continue
        row = cost_row(findings.runs[name])
        counts = (f"{row.outer_replies:.0f}", f"{row.replies:.0f}", compact(row.tokens))
        steps = f"{row.steps:.0f} ({row.best_step:.0f})"
        sizes = f"{compact(row.trained_parameters)} of {compact(row.all_parameters)}"
        rows.append([code(name), steps, *counts, compact(row.operations), sizes])
    shown = table([*headings, "operations", "trained parameters"], rows)
    note = "Counts of the training run alone: self-play comes on top of its transmitter's."
    return f"{shown}\n\n{note}" if shown else ""


def in_context(details: Mapping[str, Details]) -> str:
    """Return how far the prompt is behind fine-tuning at each K; empty where it was not tried."""
    rows = [
        [code(name), f"{k}", interval(prompted.behind_fine_tuning, NATS_DIGITS)]
        for name in in_order(details)
        for k, prompted in sorted((details[name].k_shot.in_context or {}).items())
    ]
    return table(["variant", "K", "behind fine-tuning, nats per token"], rows)
