"""What the files under `metrics/` were made from, and whether all of them are of one run. No torch.

A digest is the SHA-256 of a file, or of a folder's names and contents, in hexadecimal. Every file
names its inputs by their digests. So a reader can tell files of two runs apart, and an old file
from one of what is there now. No file holds a time, a host or a path outside the project.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.evaluation.schemas.base import Excerpt, Schema
from pipeline.outs import refuse_damaged
from pipeline.params.stated import Made


class Inputs(Schema):
    """What every file under `metrics/details` was made from."""

    tasks: str  # data/tasks
    base: str  # models/base


class ScoredFrom(Inputs):
    """What a variant's scores were made from."""

    variant: str
    params: dict[str, Any]  # what `score` read
    predictions: str  # predictions/VARIANT.jsonl
    models: dict[int, str]  # models/VARIANT/seed-SEED, by training seed
    # What made tasks, base, models and predictions, by key of params.yaml; older files lack it.
    made_with: dict[str, Any] | None = None


class ObservedFrom(Inputs):
    """What was made from several variants' predictions."""

    predictions: dict[str, str]  # predictions/VARIANT.jsonl, by variant


class ComparedFrom(ObservedFrom):
    """What the paired tests were made from."""

    params: dict[str, Any]  # what `compare` read


class MeasuredFrom(Inputs):
    """What the floors were made from."""

    oracle: str | None  # data/raw/oracle.json; null for a corpus that people wrote


class PredictedFrom(Excerpt):
    """What of `predictions/VARIANT.json` says what the records belong to."""

    variant: str
    tasks: str
    base: str
    models: dict[int, str]
    sha256: str  # predictions/VARIANT.jsonl


@dataclass(frozen=True)
class Belonging:
    """One file, and the digests of what it belongs to: was made from, or written with.

    Attributes:
        file: the file that says so.
        command: makes it again, as `score transfer`.
        digests: by path; all paths are relative to the project's root.
        is_stage: `dvc repro` runs the command, too.
    """

    file: Path
    command: str
    digests: Mapping[Path, str]
    is_stage: bool = True


def made_of_details(name: str, said: ScoredFrom) -> Made:
    """Return what a variant's scores were made with."""
    values = {**(said.made_with or {}), "score": said.params}
    return Made(artifacts.details_file(name), values, name, next(iter(said.models), None))


def scored(name: str, said: ScoredFrom, kshot_csv: str | None = None) -> Belonging:
    """Return what a variant's details belong to; a kept study's do not name the CSV file.

    Raises:
        DataError: they are another variant's.
    """
    file = artifacts.details_file(name)
    own = {artifacts.predictions_file(name): said.predictions}
    own |= models_of(name, said.models)
    own |= {artifacts.kshot_file(name): kshot_csv} if kshot_csv else {}
    return of_variant(Belonging(file, f"score {name}", _inputs(said) | own), name, said.variant)


def predicted(name: str, said: PredictedFrom) -> Belonging:
    """Return what a variant's predictions belong to.

    Raises:
        DataError: they are another variant's.
    """
    file = artifacts.identity_file(name)
    own = models_of(name, said.models) | {artifacts.predictions_file(name): said.sha256}
    return of_variant(Belonging(file, f"finetune {name}", _inputs(said) | own), name, said.variant)


def compared(said: ComparedFrom) -> Belonging:
    """Return what the paired tests belong to."""
    own = {artifacts.predictions_file(name): digest for name, digest in said.predictions.items()}
    return Belonging(artifacts.COMPARISON, "compare", _inputs(said) | own)


def measured(said: MeasuredFrom) -> Belonging:
    """Return what the floors belong to."""
    own = {artifacts.RAW_ORACLE: said.oracle} if said.oracle else {}
    return Belonging(artifacts.FLOORS, "floors", _inputs(said) | own)


def _inputs(said: Inputs | PredictedFrom) -> dict[Path, str]:
    return {artifacts.TASKS: said.tasks, artifacts.BASE: said.base}


def models_of(name: str, models: Mapping[int, str]) -> dict[Path, str]:
    """Return the digests of a variant's models by their folder, from those by training seed."""
    return {artifacts.model_dir(name, seed): digest for seed, digest in models.items()}


def refuse_other_runs(files: Iterable[Belonging], root: Path = Path()) -> None:
    """Refuse files that belong to different things, or to others than are there.

    Args:
        files: those of earlier stages first, so that the first stage to run again is named.
        root: the project's folder. What is missing there is not compared.

    Raises:
        DataError: names the file, what it belongs to, both digests, and the command to run. Or a
            file of an out is not as its stage wrote it; or as `refuse_other_corpus`.
    """
    refuse_other_corpus(root)
    first: dict[Path, tuple[str, Belonging]] = {}
    there: dict[Path, str] = {}
    for one in files:
        for path, digest in one.digests.items():
            if (root / path).exists():
                if path not in there:
                    refuse_damaged(path, root)
                    there[path] = artifacts.sha256_of(root / path)
                if there[path] != digest:
                    raise belongs_elsewhere(one, path, f"now it is {there[path][:12]}…")
            known, other = first.setdefault(path, (digest, one))
            if known != digest:
                raise belongs_elsewhere(
                    one, path, f"{other.file} to one of {one_line(known)[:12]}…"
                )


def refuse_other_corpus(root: Path = Path()) -> None:
    """Refuse tasks that were made from another corpus than `download` has fetched since.

    Args:
        root: the project's folder. What is missing there is not compared.

    Raises:
        DataError: names both folders and the command to run.
    """
    corpus, tasks = root / artifacts.RAW_SOURCE, root / artifacts.TASKS_SUMMARY
    if not (corpus.is_file() and tasks.is_file()):
        return
    made_from = artifacts.read_json(tasks, made_by="tasks").get("source")
    if made_from is not None and made_from != artifacts.read_json(corpus, made_by="download"):
        raise DataError(
            f"{artifacts.TASKS}: made from another {artifacts.RAW} than the one that is there, "
            f"as {artifacts.TASKS_SUMMARY} and {artifacts.RAW_SOURCE} say; "
            "run `python -m stages.tasks` and what follows it (or `dvc repro`)"
        )


def belongs_elsewhere(one: Belonging, path: Path, instead: str) -> DataError:
    """Return the error of a file that belongs to another `path`; `instead` says to which."""
    return DataError(
        f"{one.file}: belongs to a {path} of SHA-256 {one_line(one.digests[path])[:12]}…, "
        f"{instead}; {again(one)}"
    )


def of_variant(one: Belonging, name: str, found: str) -> Belonging:
    """Return it, if it is of the variant that it is named after.

    Raises:
        DataError: it is of the variant `found`, not of `name`.
    """
    if found != name:
        raise DataError(
            f"{one.file}: of variant {one_line(found)!r}, not of {name!r}; {again(one)}"
        )
    return one


def again(one: Belonging) -> str:
    """Say what to run to make a file again."""
    return f"run `python -m stages.{one.command}`" + " (or `dvc repro`)" * one.is_stage
