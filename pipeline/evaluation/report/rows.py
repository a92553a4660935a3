"""Table 1 beside the paper's, and the tables that the paper lacks, as rows of data. No torch.

In: what stages `score` and `floors` wrote. Out: rows. `tables.py` and `python -m stages.table`
show them with the headings and digits of `formats.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.evaluation.report.formats import HEAD_HITS, TABLE_1
from pipeline.evaluation.report.published import published
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.details import Scores, Verdict
from pipeline.evaluation.schemas.floors import FloorScores


FLOOR_TITLES = {
    "random": "Random ranking",
    "tfidf": "TF-IDF ranker: persona and partner",
    "tfidf_persona": "TF-IDF ranker: persona",
    "tfidf_partner": "TF-IDF ranker: partner",
    "constant_reply": "Constant reply",
    "frequent_words": "Frequent words",
    "unigram": "Unigrams",
    "oracle": "The grammar itself",
}


@dataclass(frozen=True)
class Table1Row:
    """A line of Table 1: a variant, a system that the paper quotes, a floor or the oracle."""

    kind: Literal["variant", "quoted", "floor", "oracle"]
    title: str
    ours: Mapping[str, Estimate | None]  # by metric of TABLE_1
    paper: Mapping[str, float | None]
    note: str | None = None


@dataclass(frozen=True)
class AdaptationRow:
    """What fine-tuning gave a variant, and how much of it a stranger's dialogues gave, too."""

    title: str
    epoch: int
    adaptation: Verdict
    before: Estimate | None  # perplexity at K = 0
    gain: Estimate  # nats per token, as the next two
    swap_gain: Estimate | None
    swap_gap: Estimate | None
    ahead: str | None  # a variant that is better unadapted than this one after its own adaptation


@dataclass(frozen=True)
class HeadRow:
    """Hits@1 of a variant with a ranking head: by the head and by likelihood, before and after."""

    title: str
    by_head: tuple[Estimate | None, Estimate | None]  # at K = 0, and fine-tuned
    by_likelihood: tuple[Estimate | None, Estimate | None]


def table_1(details: Mapping[str, Scores]) -> list[Table1Row]:
    """Return Table 1's rows in the paper's order, then the variants that it does not know."""
    rows = [
        Table1Row(
            "variant" if row.fine_tuned_at_test else "quoted",  # from other systems' own papers
            row.title,
            _scores(details, row.variant),
            {metric: getattr(row, metric) for metric in TABLE_1},
            row.note,
        )
        for row in published()
    ]
    unknown = [name for name in details if name not in titles()]
    variants = [row for row in rows if row.kind == "variant"]
    variants += [
        Table1Row("variant", name, _scores(details, name), dict.fromkeys(TABLE_1))
        for name in unknown
    ]
    return variants + [row for row in rows if row.kind == "quoted"]


def titles() -> dict[str, str]:
    """Return the paper's name of each variant that it knows."""
    return {row.variant: row.title for row in published() if row.variant is not None}


def in_order(names: Iterable[str]) -> list[str]:
    """Return variants in Table 1's order, then the variants that it does not know, as they come."""
    given, known = list(names), titles()
    return [name for name in known if name in given] + [n for n in given if n not in known]


def _scores(details: Mapping[str, Scores], name: str | None) -> dict[str, Estimate | None]:
    scores = {} if name is None or name not in details else details[name].metrics
    return {metric: scores.get(metric) for metric in TABLE_1}


def floor_rows(floors: FloorScores) -> list[Table1Row]:
    """Return what needs no learning, then the oracle where the corpus has one."""
    return [
        Table1Row(
            "oracle" if name == "oracle" else "floor",
            title,
            {metric: _without_bounds(getattr(floor, metric, None)) for metric in TABLE_1},
            dict.fromkeys(TABLE_1),
        )
        for name, title in FLOOR_TITLES.items()
        if (floor := getattr(floors, name)) is not None
    ]


def scored_replies(details: Mapping[str, Scores]) -> int:
    """Return on how many replies the systems were scored; each training seed reads them all."""
    counts = [one.counts for one in details.values()]
    return max(one.records // max(1, len(one.seeds)) for one in counts)


def over_other_replies(floors: FloorScores, details: Mapping[str, Scores]) -> str:
    """Say so where floors are of other replies than the systems; empty where they are not."""
    own, every = scored_replies(details), floors.counts.replies
    if own == every:
        return ""
    return (
        f"What needs no learning is measured on all {every} replies of the test people, the "
        f"systems on {own} of them (finetune.max_folds)."
    )


def _without_bounds(value: float | None) -> Estimate | None:
    return None if value is None else Estimate(value=value, low=None, high=None)


def adaptation_rows(details: Mapping[str, Scores]) -> list[AdaptationRow]:
    """Return gain and swap control of each scored variant, in Table 1's order."""
    known = titles()
    return [
        AdaptationRow(
            known.get(name, name),
            details[name].headline.epoch,
            details[name].adaptation,
            details[name].before_adaptation.get("ppl"),
            details[name].gain,
            details[name].swap_gain,
            details[name].swap_gap,
            None if (better := ahead(details, name)) is None else known.get(better, better),
        )
        for name in in_order(details)
    ]


def head_rows(details: Mapping[str, Scores]) -> list[HeadRow]:
    """Return the two rankings of each variant that predicts the next utterance.

    The head learned from distractors that are drawn as the test's are. So compare a head with other
    heads, and a likelihood with other likelihoods.
    """
    known = titles()
    return [
        HeadRow(
            known.get(name, name),
            before_and_after(details[name], HEAD_HITS),
            before_and_after(details[name], "hits_at_1"),
        )
        for name in details
        if details[name].metrics.get(HEAD_HITS) is not None
    ]


def before_and_after(details: Scores, metric: str) -> tuple[Estimate | None, Estimate | None]:
    """Return a metric at K = 0 and at the headline epoch."""
    return details.before_adaptation.get(metric), details.metrics.get(metric)


def ahead(details: Mapping[str, Scores], name: str) -> str | None:
    """Return the variant with the lowest perplexity at K = 0, if `name` does not end below it.

    A large gain from a bad start may end where another variant starts.
    """
    starts = {
        other: start.value
        for other, content in details.items()
        if other != name and (start := content.before_adaptation.get("ppl")) is not None
    }
    end = details[name].metrics.get("ppl")
    best = min(starts, key=lambda other: starts[other], default=None)
    return best if best is not None and end is not None and end.value >= starts[best] else None
