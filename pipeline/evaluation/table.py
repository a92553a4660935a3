"""Table 1 beside the paper's, and the table that the paper lacks, as rows of data. No torch.

What `score` and `floors` wrote comes in, rows go out; how they look is the shell's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.errors import DataError
from pipeline.evaluation.published import published
from pipeline.evaluation.verdict import Verdict


METRICS = ("ppl", "hits_at_1", "f1")

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


class _Read(BaseModel):
    """What is read of a file that holds more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Interval(_Read):
    """A number with its 95 % interval; no bounds where there is a single persona."""

    value: float
    low: float | None
    high: float | None


class Headline(_Read):
    """The setting that Table 1 reports."""

    epoch: int


class Details(_Read):
    """What the tables need of `metrics/details/VARIANT.json`."""

    headline: Headline
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
    ahead: (
        str | None
    )  # the variant that is better before any adaptation than this one after its own


def parse_details(content: object, origin: object) -> Details:
    """Return what the tables need of a details file.

    Raises:
        DataError: it is not what stage score writes.
    """
    try:
        return Details.model_validate(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise DataError(f"{origin}: {where}: not as stage score writes it; run it again") from error


def table_1(details: Mapping[str, Details]) -> list[Row]:
    """Return Table 1's rows in the paper's order, then the variants that it does not know."""
    rows = [
        Row(
            "quoted" if row.variant is None else "variant",
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
    ordered = [
        *(name for name in known if name in details),
        *(n for n in details if n not in known),
    ]
    return [
        AdaptationRow(
            known.get(name, name),
            details[name].headline.epoch,
            details[name].adaptation,
            details[name].before_adaptation.get("ppl"),
            details[name].gain,
            details[name].swap_gain,
            details[name].swap_gap,
            None if (ahead := _ahead(details, name)) is None else known.get(ahead, ahead),
        )
        for name in ordered
    ]


def _ahead(details: Mapping[str, Details], name: str) -> str | None:
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
