"""The report as Markdown: levels, adaptation, seeds, costs, paired tests, figures. No torch.

The same findings give the same text; every number in it stands in a committed metrics file.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.evaluation.report.cost import compact, cost_row
from pipeline.evaluation.report.inputs import Family, Findings, PairedResult
from pipeline.evaluation.report.markdown import NONE, code, given, interval, p_value, table
from pipeline.evaluation.report.published import published
from pipeline.evaluation.report.rows import (
    HEAD_HITS,
    METRICS,
    Details,
    ahead,
    floor_rows,
    in_order,
    table_1,
)


HEADINGS = {"ppl": ("perplexity ↓", 2), "hits_at_1": ("Hits@1 % ↑", 1), "f1": ("F1 % ↑", 1)}
UNITS = {
    "nats_per_token": "nats per token",
    "hits_at_1": "Hits@1, points",
    "hits_at_1_by_head": "Hits@1 by head, points",
    "f1": "F1, points",
    "gain": "gain, nats",
    "swap_gap": "swap gap, nats",
}
IN_NATS = ("nats_per_token", "gain", "swap_gap")
NOT_DISTINGUISHABLE = "not distinguishable"


def document(found: Findings, figures: Mapping[str, Sequence[str]]) -> str:
    """Return the whole report.

    Args:
        found: what the stages wrote.
        figures: files of pictures beside the report, by the heading they stand under.
    """
    paired = [claims(found.tests), *distinguishable(found.tests, found.others, found.alpha)]
    parts = [
        "# Report",
        " ".join(found.facts),
        "Brackets are 95 % intervals over personas (BCa bootstrap). Gains and gaps are in nats per "
        "token, closing tokens counted. Tests are paired over personas, with "
        "Holm's correction over those of the claims (`compare.claims`), and over those of all "
        "other pairs.",
        "## Table 1",
        levels(found.details, found.floors),
        *notes(),
        "## Adaptation",
        adaptation(found.details),
        *warnings(found.details),
        *_headed("### Whose adaptation is larger?", claims(found.adaptation_tests)),
        *_headed("## Ranking heads", heads(found.details)),
        *_headed("## Training seeds", over_seeds(found.details, found.tests)),
        *_headed("## What training cost", costs(found)),
        *_headed("## Paired tests", *paired),
        *_headed("## Support dialogues in the prompt instead", in_context(found)),
    ]
    for heading, pictures in figures.items():
        parts += [
            f"## {heading}",
            *(f"![{file.removesuffix('.svg')}]({file})" for file in pictures),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def levels(details: Mapping[str, Details], floors: Mapping[str, object]) -> str:
    """Return Table 1: ours beside the paper's, then floors."""
    paper = {row.variant: row for row in published() if row.variant is not None}
    headings = ["variant", *(text for name, _ in HEADINGS.values() for text in (name, "paper"))]
    rows = []
    for name in in_order(details):
        row = [code(name)]
        for metric, (_, digits) in HEADINGS.items():
            theirs = getattr(paper[name], metric) if name in paper else None
            row += [interval(details[name].metrics.get(metric), digits), given(theirs)]
        rows.append(row)
    for floor in floor_rows(floors):
        cells = ((interval(floor.ours[m], HEADINGS[m][1]), NONE) for m in METRICS)
        rows.append([floor.title, *(cell for pair in cells for cell in pair)])
    return table(headings, rows)


def notes() -> list[str]:
    """Say which of the paper's numbers were measured elsewhere, and how."""
    return [f"{row.title}: {row.note}" for row in table_1({}) if row.kind == "quoted" and row.note]


def adaptation(details: Mapping[str, Details]) -> str:
    """Return what fine-tuning on a person's dialogues gave, and how much of it is personal."""
    headings = ("variant", "epoch", "perplexity at K = 0", "gain")
    more = ("gain from a stranger's dialogues", "swap gap", "which is")
    rows = []
    for name in in_order(details):
        one = details[name]
        nats = (interval(x, 3) for x in (one.gain, one.swap_gain, one.swap_gap))
        before = interval(one.before_adaptation.get("ppl"), 2)
        rows.append([code(name), f"{one.headline.epoch}", before, *nats, one.adaptation])
    return table([*headings, *more], rows)


def warnings(details: Mapping[str, Details]) -> list[str]:
    """Return a line for each gain that a table of gains alone would let one misread."""
    lines = []
    for name in in_order(details):
        one = details[name]
        if one.adaptation == "mostly not personal":
            lines.append(
                f"**`{name}`: its gain is mostly not personal**: a stranger's dialogues give "
                f"{interval(one.swap_gain, 3)} of {interval(one.gain, 3)} nats."
            )
        if (better := ahead(details, name)) is not None and one.headline.epoch > 0:
            lines.append(
                f"**`{name}` ends no better than `{better}` is before any adaptation**: perplexity "
                f"{interval(one.metrics['ppl'], 2)}, `{better}` at K = 0 "
                f"{interval(details[better].before_adaptation['ppl'], 2)}."
            )
    return lines


def heads(details: Mapping[str, Details]) -> str:
    """Return Hits@1 by head and by likelihood where a variant has a head; else nothing."""
    headings = ("head at K = 0", "head, fine-tuned", "likelihood at K = 0")
    rows = []
    for name in in_order(details):
        one = details[name]
        if one.metrics.get(HEAD_HITS) is None:
            continue
        both = (one.before_adaptation, one.metrics)
        cells = [interval(part.get(m), 1) for m in (HEAD_HITS, "hits_at_1") for part in both]
        rows.append([code(name), *cells])
    return table(["variant", *headings, "likelihood, fine-tuned"], rows)


def over_seeds(details: Mapping[str, Details], tests: Sequence[PairedResult]) -> str:
    """Return intervals that cover other training seeds as well; nothing for a single seed."""
    rows = []
    for name in in_order(details):
        one = details[name]
        ppl = one.metrics.get("ppl")
        if ppl is None or ppl.crossed_low is None:
            continue
        cells = [interval(one.metrics.get(m), d, crossed=True) for m, (_, d) in HEADINGS.items()]
        rows.append([code(name), ", ".join(map(str, one.counts.seeds)), *cells])
    shown = table(["variant", "seeds", *(name for name, _ in HEADINGS.values())], rows)
    return "\n\n".join(part for part in (shown, _crossed_tests(tests)) if part)


def _crossed_tests(tests: Sequence[PairedResult]) -> str:
    rows = [
        [
            f"`{test.a}` – `{test.b}`",
            UNITS[test.metric],
            interval(test.over_seeds.difference, digits_of(test)),
            p_value(test.over_seeds.p_holm),
            test.over_seeds.verdict,
        ]
        for _, test in _claimed(tests)
        if test.over_seeds is not None
    ]
    return table(["first – second", "unit", "difference", "p after Holm", "the first is"], rows)


def costs(found: Findings) -> str:
    """Return what each variant's training cost: counts, no times."""
    headings = ("variant", "steps (kept)", "replies in the loss", "in any loss", "tokens")
    rows = []
    for name in in_order(found.runs):
        if not found.runs[name]:
            continue
        row = cost_row(found.runs[name])
        counts = (f"{row.outer_replies:.0f}", f"{row.replies:.0f}", compact(row.tokens))
        steps = f"{row.steps:.0f} ({row.best_step:.0f})"
        sizes = f"{compact(row.trained_parameters)} of {compact(row.all_parameters)}"
        rows.append([code(name), steps, *counts, compact(row.operations), sizes])
    shown = table([*headings, "operations", "trained parameters"], rows)
    note = "Counts of the training run alone: self-play comes on top of its transmitter's."
    return f"{shown}\n\n{note}" if shown else ""


def claims(tests: Sequence[PairedResult]) -> str:
    """Return the tests that the claims ask for, whatever they say."""
    rows = [[question, *tested(test)] for question, test in _claimed(tests)]
    return table(["question", *TESTED], rows)


def _claimed(tests: Sequence[PairedResult]) -> Iterator[tuple[str, PairedResult]]:
    """Yield the claims' questions and tests, as they come: in the claims' order."""
    for test in tests:
        if test.question is not None:
            yield test.question, test


def distinguishable(tests: Sequence[PairedResult], family: Family, alpha: float) -> list[str]:
    """Return how many pairs that no claim is about can be told apart, and which.

    Args:
        tests: all tests.
        family: of those pairs.
        alpha: of the family.
    """
    if not family.tests:
        return []
    if family.smallest_p_holm >= alpha:
        return [
            f"{family.tests} tests are of other pairs: so many that Holm's correction leaves "
            "nothing for these personas and permutations to tell apart (`compare.permutations`)."
        ]
    apart = [t for t in tests if t.question is None and t.verdict != NOT_DISTINGUISHABLE]
    counts = f"Of {family.tests} tests of other pairs {len(apart)} tell them apart after Holm"
    return [f"{counts}:" if apart else f"{counts}.", table(TESTED, map(tested, apart))]


TESTED = ("first – second", "unit", "difference", "p", "p after Holm", "the first is")


def tested(test: PairedResult) -> list[str]:
    """Return the cells of `TESTED`."""
    return [
        f"`{test.a}` – `{test.b}`",
        UNITS[test.metric],
        interval(test.difference, digits_of(test)),
        p_value(test.p),
        p_value(test.p_holm),
        test.verdict,
    ]


def digits_of(test: PairedResult) -> int:
    """Return how many decimals a test's difference is shown with."""
    return 3 if test.metric in IN_NATS else 1


def in_context(found: Findings) -> str:
    """Return how far the prompt is behind fine-tuning at each K; nothing where it was not tried."""
    rows = [
        [code(name), f"{k}", interval(prompted.behind_fine_tuning, 3)]
        for name in in_order(found.shots)
        for k, prompted in sorted((found.shots[name].in_context or {}).items())
    ]
    return table(["variant", "K", "behind fine-tuning, nats per token"], rows)


def _headed(heading: str, *content: str) -> list[str]:
    return [heading, *content] if any(content) else []
