"""Whether the files that a command shows side by side are of one run, and of what is there now."""

from collections.abc import Iterable, Mapping

from pipeline import artifacts
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.records.predictions_file import PredictionsIdentity
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.made_from import (
    Belonging,
    PredictedFrom,
    made_of_details,
    predicted,
    scored,
)
from pipeline.evaluation.schemas.table_1 import refuse_other_numbers
from pipeline.model.files.variant_record import VariantFile, digests_of
from pipeline.params import Settings, stated
from pipeline.params.stated import Made


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
    """Return what variants' scores belong to; their numbers of Table 1 must be theirs.

    Raises:
        DataError: `metrics/VARIANT.json` has other numbers.
    """
    for name, one in details.items():
        refuse_other_numbers(name, one.metrics)
    return [scored(name, one.made_from, one.kshot_csv) for name, one in details.items()]


def refuse_other_params(
    settings: Settings,
    *,
    runs: Iterable[VariantFile] = (),
    predictions: Iterable[PredictionsIdentity] = (),
    details: Mapping[str, Details] | None = None,
    comparison: Comparison | None = None,
) -> None:
    """Refuse files that were made with other parameters than params.yaml has now.

    Raises:
        DataError: names the file, the key, both values, and the command to run.
    """
    files = [made_of_run(run) for run in runs]
    files += [predictions_file.made(identity) for identity in predictions]
    files += [made_of_details(name, one.made_from) for name, one in (details or {}).items()]
    if comparison is not None:
        files.append(Made(artifacts.COMPARISON, {"compare": comparison.made_from.params}))
    stated.refuse_other_params(settings, files)


def made_of_run(run: VariantFile) -> Made:
    """Return what a training run was made with."""
    path = artifacts.model_dir(run.name, run.seed) / "variant.json"
    return Made(path, run.made_with(), run.name, run.seed)
