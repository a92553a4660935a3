"""What is kept of a run's files: headline, gains, claims and validations. No torch.

Everything else is made again by running the study's `params.yaml`. Slimming what is slim changes
nothing.
"""

import csv
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pipeline.errors import DataError, one_line
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.number_table import parsed
from pipeline.evaluation.scoring.verdict import verdict


Fields = dict[str, Any]

METRICS = (
    "bits_per_byte",
    "f1",
    "greedy_f1",
    "hits_at_1",
    "hits_at_1_by_head",
    "hits_at_1_by_pmi",
    "mean_rank",
    "ppl",
    "ppl_per_word",
    "ppl_without_end",
    "response_distinct_2",
)
BEFORE = ("f1", "hits_at_1", "hits_at_1_by_head", "hits_at_1_by_pmi", "ppl")  # at K = 0
ADAPTATION = ("adaptation", "gain", "swap_gain", "swap_gap", "personal_share")
TEST = (
    *("a", "b", "metric", "question", "personas", "difference"),
    *("p", "p_holm", "verdict", "detectable", "over_seeds"),
)
COUNTS = ("personas", "records", "seeds")
Kept = TypeVar("Kept")
DIGITS = 9  # significant


def of_file(
    slim: Callable[..., Kept], content: Mapping[str, Any], path: Path, *arguments: Any
) -> Kept:
    """Return what `slim` keeps of a file's content.

    Raises:
        DataError: the file lacks a field, or one is of another type.
    """
    try:
        return slim(content, *arguments)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(
            f"{path}: {one_line(error)}: not as its stage writes it; run that stage (or "
            "`dvc repro`), or of a kept study `git checkout` the file"
        ) from error


def slim_details(details: Mapping[str, Any]) -> Fields:
    """Return the headline, the adaptation and the gains per K of `metrics/details/VARIANT.json`."""
    kept: Fields = {
        "headline": details["headline"],
        "counts": {name: details["counts"][name] for name in COUNTS},
        "metrics": _metrics(details["metrics"], METRICS),
        "before_adaptation": _metrics(details["before_adaptation"], BEFORE),
        "k_shot": _k_shot(details.get("k_shot")),
        **_adaptation(details),
    }
    if "made_from" in details:  # params.yaml beside it says what it was made with
        made_from = details["made_from"]
        kept["made_from"] = {key: made_from[key] for key in made_from if key != "made_with"}
    if "kshot_csv" in details:  # kshot/VARIANT.csv is kept as it is
        kept["kshot_csv"] = details["kshot_csv"]
    return cast(Fields, rounded(kept))


def _metrics(details: Mapping[str, Any], names: Sequence[str]) -> Fields:
    return {name: _estimate(details[name]) for name in names if details.get(name) is not None}


def _estimate(estimate: Mapping[str, Any]) -> Fields:
    """Leave out an interval over seeds that a single seed does not have."""
    return {
        key: value
        for key, value in estimate.items()
        if value is not None or not key.startswith("crossed")
    }


def _adaptation(details: Mapping[str, Any]) -> Fields:
    """Return gains and their verdict; of files older than the verdict, today's rules give it."""
    kept = {name: details.get(name) for name in ADAPTATION}
    if kept["adaptation"] is None:
        gain, gap, share = (kept[name] for name in ("gain", "swap_gap", "personal_share"))
        of = [e and Estimate.model_validate(e) for e in (gain, gap, share)]
        kept["adaptation"] = verdict(cast(Estimate, of[0]), of[1], of[2])
    return kept


def _k_shot(details: Mapping[str, Any] | None) -> Fields | None:
    """Return by K the gain at the headline epoch, and how far the prompted control is behind.

    Both in nats per token; `prompted` is how many dialogues the prompt held on average.
    """
    if not details or "gain" in details:
        return dict(details) if details else None
    if "points" not in details:
        return None
    points = {k: point for k, point in details["points"].items() if point.get("gain_by_epoch")}
    controls = details.get("in_context") or {}
    return {
        "personas": details.get("personas"),
        "gain": {k: point["gain_by_epoch"].get(str(point["epoch"])) for k, point in points.items()},
        "behind_fine_tuning": {k: details["behind_fine_tuning"] for k, details in controls.items()},
        "prompted": {k: details["mean_k"] for k, details in controls.items()},
    }


def slim_comparison(comparison: Mapping[str, Any], asked: Collection[frozenset[str]]) -> Fields:
    """Return the tests of the claims.

    Args:
        comparison: `metrics/details/comparison.json`.
        asked: pairs of variants that count as claims in a file that knows no claims.
    """
    tests = comparison["tests"]
    adaptation = comparison.get("adaptation") or {"tests": [], "families": {}}
    kept: Fields = {
        "alpha": comparison["alpha"],
        "families": comparison.get("families") or {"all pairs": {"tests": len(tests)}},
        "tests": [_test(test) for test in tests if _is_kept(test, asked)],
        "adaptation": {
            "families": adaptation["families"],
            "tests": [_test(test) for test in adaptation["tests"] if _is_kept(test, asked)],
        },
    }
    return cast(Fields, rounded(kept))


def _is_kept(test: Mapping[str, Any], asked: Collection[frozenset[str]]) -> bool:
    return test.get("question") is not None or {test["a"], test["b"]} in asked


def _test(test: Mapping[str, Any]) -> Fields:
    kept = {name: test.get(name) for name in TEST}
    return {name: value for name, value in kept.items() if value is not None} | {
        "question": kept["question"]
    }


def slim_history(history: str) -> str:
    """Return the rows of a `history.csv` that hold a validation."""
    rows = parsed(history)
    if not rows:
        return history
    kept = io.StringIO()
    writer = csv.DictWriter(kept, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for row in rows if any(row[name] for name in row if "valid" in name))
    return kept.getvalue()


def rounded(value: object) -> object:
    """Return the value with every fraction rounded to `DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def rounded_content(content: Mapping[str, Any]) -> Fields:
    """Return a JSON object with its fractions rounded, as a study keeps it."""
    return {key: rounded(item) for key, item in content.items()}


def axes_of_today(axes: dict[str, Any]) -> dict[str, Any]:
    """Return a kept run's axes by the names of this version: `special_tokens` is `format` now.

    Runs of old without special tokens had lines, too, but other ones than `plain` has now.
    """
    if "special_tokens" not in axes:
        return axes
    rest = {name: value for name, value in axes.items() if name != "special_tokens"}
    return rest | {"format": "special" if axes["special_tokens"] else "plain"}


def asked(params: Mapping[str, Any]) -> frozenset[frozenset[str]]:
    """Return the pairs of variants that the claims of `params.yaml` are about."""
    claims = params["compare"].get("claims", [])
    return frozenset(frozenset((claim["a"], claim["b"])) for claim in claims)


def existing(wanted: Path, other: Path) -> Path:
    """Return the run's path where there is one, else the study's."""
    return wanted if wanted.exists() else other
