"""Whether the files that a command shows side by side are of one run, and of what is there now."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.made_from import Belonging, PredictedFrom, predicted, scored
from pipeline.model.files.variant_record import VariantFile, digests_of


def of_runs(runs: Iterable[VariantFile]) -> list[Belonging]:
    """Return what training runs belong to."""
    return [
        Belonging(
            artifacts.model_dir(run.name, run.seed) / "variant.json",
            f"{run.method} {run.name} {run.seed}",
            digests_of(run),
        )
        for run in runs
    ]


def of_predictions(variants: Iterable[str]) -> list[Belonging]:
    """Return what those variants' predictions belong to that are there."""
    files = {name: artifacts.identity_file(name) for name in variants}
    return [
        predicted(name, read(path, PredictedFrom, made_by=f"finetune {name}"))
        for name, path in files.items()
        if path.is_file()
    ]


def of_details(details: Mapping[str, Details]) -> list[Belonging]:
    """Return what variants' scores belong to."""
    return [scored(name, one.made_from, one.kshot_csv) for name, one in details.items()]


def refuse_other_variants(comparison: Comparison, variants: Iterable[str], file: Path) -> None:
    """Refuse paired tests of other variants than those that are scored.

    Raises:
        DataError: names the first variant that only one of them has.
    """
    scored, tested = set(variants), set(comparison.variants)
    if missing := sorted(scored - tested):
        what = f"compares without {missing[0]!r}, which is scored"
    elif more := sorted(tested - scored):
        what = f"compares with {more[0]!r}, which is not scored"
    else:
        return
    raise DataError(f"{file}: {what}; run `python -m stages.compare` (or `dvc repro`)")
