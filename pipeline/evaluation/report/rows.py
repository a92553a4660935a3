"""Table 1 beside the paper's, and the table that the paper lacks, as rows of data. No torch.

What `score` and `floors` wrote comes in, rows go out; how they look is the shell's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import DataError
from pipeline.evaluation.report.parsing import Read
from pipeline.evaluation.report.published import published
from pipeline.evaluation.statistics.verdict import Verdict


METRICS = ("ppl", "hits_at_1", "f1")
HEAD_HITS = "hits_at_1_by_head"

FLOORS = {
    "random": "Random ranking",
    "tfidf": "TF-IDF ranker: persona and partner",
    "tfidf_persona": "TF-IDF ranker: persona",
    "tfidf_partner": "TF-IDF ranker: partner",
    "constant_reply": "Constant reply",
    "frequent_words": "Frequent words",
    "unigram": "Unigrams",
    "oracle": "The grammar itself",
}


class Interval(Read):
    """A number with its 95 % interval; no bounds where there is a single persona."""

    value: float
    low: float | None
    high: float | None
    crossed_low: float | None = None  # other training seeds, too; null: fewer than two
    crossed_high: float | None = None


class Headline(Read):
    """The setting that Table 1 reports."""

    epoch: int


class Counts(Read):
    """What Table 1's numbers are over."""

    personas: int
    records: int
    seeds: list[int]


class Details(Read):
    """What the tables need of `metrics/details/VARIANT.json`."""

    headline: Headline
    counts: Counts
    metrics: dict[str, Interval | None]
    before_adaptation: dict[str, Interval | None]
    adaptation: Verdict
    gain: Interval  # nats per token, at the headline epoch as the next two
    swap_gain: Interval | None
    swap_gap: Interval | None


@dataclass(frozen=True)
class Row:
    """A line of Table 1: a variant, a system that the paper quotes, a floor or the oracle."""

    kind: Literal["variant", "quoted", "floor", "oracle"]
    title: str
    ours: Mapping[str, Interval | None]
    paper: Mapping[str, float | None]
    note: str | None = None


@dataclass(frozen=True)
class AdaptationRow:
    """What fine-tuning gave a variant, and how much of it a stranger's dialogues gave, too."""

    title: str
    epoch: int
    adaptation: Verdict
    before: Interval | None  # perplexity at K = 0
    gain: Interval  # nats per token, as the next two
    swap_gain: Interval | None
    swap_gap: Interval | None
    ahead: str | None  # a variant that is better unadapted than this one after its own adaptation


@dataclass(frozen=True)
class HeadRow:
    """Hits@1 of a variant with a ranking head: by it and by likelihood, before and after."""

    title: str
    by_head: tuple[Interval | None, Interval | None]  # at K = 0, and fine-tuned
    by_likelihood: tuple[Interval | None, Interval | None]


def table_1(details: Mapping[str, Details]) -> list[Row]:
    """Return Table 1's rows in the paper's order, then the variants that it does not know."""
    rows = [
        Row(
            "variant" if row.fine_tuned_at_test else "quoted",  # of other systems' own papers
            row.title,
            _scores(details, row.variant),
            {metric: getattr(row, metric) for metric in METRICS},
            row.note,
        )
        for row in published()
    ]
    new = [name for name in details if name not in titles()]
    own = [row for row in rows if row.kind == "variant"]
    own += [Row("variant", name, _scores(details, name), dict.fromkeys(METRICS)) for name in new]
    return own + [row for row in rows if row.kind == "quoted"]


def titles() -> dict[str, str]:
    """Return the paper's name of each variant that it knows."""
    return {row.variant: row.title for row in published() if row.variant is not None}


def in_order(names: Iterable[str]) -> list[str]:
    """Return variants in Table 1's order, then those that it does not know, as they come."""
    given, known = list(names), titles()
    return [name for name in known if name in given] + [n for n in given if n not in known]


def _scores(details: Mapping[str, Details], name: str | None) -> dict[str, Interval | None]:
    found = {} if name is None or name not in details else details[name].metrics
    return {metric: found.get(metric) for metric in METRICS}


def floor_rows(floors: Mapping[str, object]) -> list[Row]:
    """Return what needs no learning, then the oracle where the corpus has one.

    Raises:
        DataError: a score is not a number.
    """
    return [
        Row(
            "oracle" if key == "oracle" else "floor",
            title,
            {metric: _floor(title, content.get(metric)) for metric in METRICS},
            dict.fromkeys(METRICS),
        )
        for key, title in FLOORS.items()
        if isinstance(content := floors.get(key), Mapping)
    ]


def _floor(title: str, score: object) -> Interval | None:
    if score is None:
        return None
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise DataError(f"floors: {title}: a number was expected, found {score!r}")
    return Interval(value=score, low=None, high=None)


def adaptation_rows(details: Mapping[str, Details]) -> list[AdaptationRow]:
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


def head_rows(details: Mapping[str, Details]) -> list[HeadRow]:
    """Return the two rankings of each variant that predicts the next utterance.

    Its head learned from distractors drawn as those of the test are, so it is to be compared with
    other heads, and its likelihood with other likelihoods.
    """
    known = titles()
    return [
        HeadRow(known.get(name, name), _both(content, HEAD_HITS), _both(content, "hits_at_1"))
        for name, content in details.items()
        if content.metrics.get(HEAD_HITS) is not None
    ]


def _both(content: Details, metric: str) -> tuple[Interval | None, Interval | None]:
    return content.before_adaptation.get(metric), content.metrics.get(metric)


def ahead(details: Mapping[str, Details], name: str) -> str | None:
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
