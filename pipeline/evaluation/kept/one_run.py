"""Whether a run's metrics are of one run, before they are kept or quoted. No torch."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.evaluation.few_shot.rates_file import BY_K, rates_made
from pipeline.evaluation.report.compared import Levels
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom, adapted, made_of_adapted
from pipeline.evaluation.schemas.base import Excerpt, parse, read
from pipeline.evaluation.schemas.comparison import refuse_other_variants
from pipeline.evaluation.schemas.made_from import (
    Belonging,
    ComparedFrom,
    MeasuredFrom,
    ScoredFrom,
    compared,
    made_of_details,
    measured,
    refuse_other_runs,
    scored,
)
from pipeline.evaluation.schemas.table_1 import refuse_other_numbers
from pipeline.evaluation.studies.trials_file import trials_made
from pipeline.model.files.variant_record import VariantFile, digests_of
from pipeline.params import Settings, read_yaml
from pipeline.params.inputs import own_file
from pipeline.params.stated import Made, difference, refuse_other_params
from pipeline.strict_json import says_made_with


_INPUTS = {  # of every number, and the stages that write them
    artifacts.RAW_SOURCE: "download",
    artifacts.TASKS_SUMMARY: "tasks",
    artifacts.BASE_FACTS: "base",
}


def refuse_other_runs_in(root: Path, variants: Collection[str]) -> None:
    """Refuse a run's folder whose metrics belong to different runs, or to others than are there.

    Files of a version that did not say what it made them from are taken where no file says it.
    All must be sealed where one says what parameters made it.

    Args:
        root: the run's folder.
        variants: which details are the run's.

    Raises:
        DataError: names the file and the command to run.
    """
    known: list[Belonging] = []
    older: list[Path] = []
    contents = _contents(root, variants)
    rows = {path.stem for path, content in contents.items() if "headline" in content}
    for path, content in contents.items():
        if path.name == artifacts.COMPARISON.name and isinstance(content.get("variants"), list):
            refuse_other_variants([*map(str, content["variants"])], rows, path)
        one = _belonging(path, content)
        known += [one] if one else []
        older += [] if one else [path]
    if known and older:
        raise DataError(
            f"{older[0]}: does not say what it was made from, {root / known[0].file} does; "
            "run `dvc repro`"
        )
    refuse_other_runs(known, root)
    _refuse_other_params(root, variants)


def refuse_other_models(root: Path, records: Iterable[Path]) -> None:
    """Refuse models of other tasks, bases or parameters than the run has: DVC deletes no old ones.

    Args:
        root: the run's folder.
        records: `variant.json` of each model; one of an older version says nothing.

    Raises:
        DataError: names the file, what differs, and the command to run.
    """
    runs = []
    for path in records:
        with suppress(ValidationError):
            values = artifacts.read_json(own_file(path, root), made_by="train")
            runs.append((path, VariantFile.model_validate(values)))
    refuse_other_runs(
        [
            Belonging(
                path.relative_to(root), f"{run.method} {run.name} {run.seed}", digests_of(run)
            )
            for path, run in runs
        ],
        root,
    )
    params = root / artifacts.PARAMS
    made = [Made(path, run.made_with(), run.name, run.seed) for path, run in runs]
    refuse_other_params(Settings.load(params), made, params)


def refuse_no_run_of_preset(root: Path, preset: str) -> None:
    """Refuse a project's folder whose metrics are of several runs, or of none of the preset.

    Raises:
        DataError: names the file, or the first value that differs.
    """
    refuse_other_runs_in(root, {path.stem for path in (root / artifacts.DETAILS).glob("*.json")})
    path = root / "presets" / f"{preset}.yaml"
    own = root / artifacts.PARAMS
    if path.is_file() and (found := difference(read_yaml(own), read_yaml(path))):
        key, ours, its = found
        raise DataError(
            f"{own}: {key} is {one_line(ours)}, {one_line(its)} in preset "
            f"{preset}: this is no run of the preset, whose numbers the document cites"
        )


def _contents(root: Path, variants: Collection[str]) -> dict[Path, dict[str, Any]]:
    """Return the content of the details that are the run's, floors and comparison."""
    commands = {name: f"score {name}" for name in variants}
    commands |= {artifacts.FLOORS.stem: "floors", artifacts.COMPARISON.stem: "compare"}
    paths = [p for p in sorted((root / artifacts.DETAILS).glob("*.json")) if p.stem in commands]
    contents = {path: artifacts.read_json(path, made_by=commands[path.stem]) for path in paths}
    if any(map(says_made_with, contents.values())):
        for path in paths:
            artifacts.read_json(path, made_by=commands[path.stem], must_be_sealed=True)
    return contents


def _refuse_other_params(root: Path, variants: Collection[str]) -> None:
    """Refuse metrics made with other parameters than the run's params.yaml has, or edited ones.

    Raises:
        DataError: names the file, the key or the number, both values, and the command to run.
    """
    files = []
    for path in sorted((root / artifacts.DETAILS).glob("*.json")):
        content = artifacts.read_json(path, made_by="score")
        said = content.get("made_from")
        if said is None or path.name == artifacts.FLOORS.name:  # floors read no parameter
            continue
        if path.name == artifacts.COMPARISON.name:
            files.append(Made(path, {"compare": parse(ComparedFrom, said, path).params}))
        elif path.stem in variants:
            refuse_other_numbers(path.stem, parse(Levels, content, path).metrics, root)
            made = made_of_details(path.stem, parse(ScoredFrom, said, path))
            files.append(replace(made, file=path))
    path = root / artifacts.PARAMS
    if files and path.is_file():
        refuse_other_params(Settings.load(path), files, path)


class _Support(Excerpt):
    made_from: AdaptedFrom | None = None


def refuse_other_support_in(root: Path, file: Path, name: str) -> None:
    """Refuse what fine-tuning does to the support, of other models or parameters than the run's.

    An older file does not say what trained its models. It is taken where these are gone.

    Args:
        root: the run's folder.
        file: which may be missing.
        name: of the variant.

    Raises:
        DataError: names the file, what differs, and the command to run.
    """
    if not file.is_file():
        return
    command = f"support {name}"
    said = read(own_file(file, root), _Support, made_by=command).made_from
    refuse_other_runs([adapted(file, command, said, name)], root)
    path = root / artifacts.PARAMS
    refuse_other_params(Settings.load(path), made_of_adapted(file, command, said), path)


def refuse_other_trials_in(root: Path, file: Path) -> None:
    """Refuse trials on valid of other parameters than the run's, where they say of which.

    Args:
        root: the run's folder.
        file: the trials'.

    Raises:
        DataError: names the file, the key, both values, and the command to run.
    """
    path = own_file(file, root)
    made = [*(rates_made(path) if path.stem.endswith(BY_K) else trials_made(path))]
    if any(one.values for one in made):
        params = root / artifacts.PARAMS
        refuse_other_params(Settings.load(params), made, params)


def made_of_inputs(root: Path) -> list[Made]:
    """Return what made the corpus, the tasks and the base that a run has; older ones say nothing.

    Raises:
        DataError: a file is damaged.
    """
    made = []
    for file, stage in _INPUTS.items():
        path = root / file
        content = artifacts.read_json(path, made_by=stage) if path.is_file() else {}
        for one in (content.get("source"), content):  # the tasks say what made their corpus
            said = one.get("params") if isinstance(one, dict) else None
            made += [Made(path, said)] if isinstance(said, dict) else []
    return made


def _belonging(path: Path, content: dict[str, Any]) -> Belonging | None:
    """Return what a file belongs to; null for a file of an older version."""
    if "made_from" not in content:
        return None
    said = content["made_from"]
    if path.name == artifacts.FLOORS.name:
        return measured(parse(MeasuredFrom, said, path))
    if path.name == artifacts.COMPARISON.name:
        return compared(parse(ComparedFrom, said, path))
    kshot_csv = content.get("kshot_csv")
    return scored(path.stem, parse(ScoredFrom, said, path), f"{kshot_csv}" if kshot_csv else None)
