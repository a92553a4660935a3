"""What a study keeps of runs that have shots: of each its sums, trials, and its own parameters.

A study has one `params.yaml`, that of the run which was kept last. `runs/NAME/changes.json` has
what another run's differs by: keys of params.yaml with the run's own values.
"""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.atomic import refuse_foreign
from pipeline.errors import DataError, ParamsError, one_line
from pipeline.evaluation.few_shot.same_replies import other_replies
from pipeline.evaluation.few_shot.shots import ShotSums
from pipeline.evaluation.report.samples.few_shot import FewShotReplies, greedy_alone
from pipeline.evaluation.schemas.base import read
from pipeline.evaluation.schemas.made_from import Belonging, adapted, refuse_other_runs
from pipeline.evaluation.schemas.number_table import RATES, TRIALS, read_rows, read_text
from pipeline.params import Settings, read_yaml
from pipeline.params.edit import with_values, without_secrets
from pipeline.params.inputs import own_file, refuse_target
from pipeline.params.settings import settings_of
from pipeline.params.views import AllParams
from stages.shell import console


PARTS = {"shots": ".json", "tuning": ".csv", "replies": ".json"}  # of each run, and their endings
CHANGES = "changes.json"


def keep_all(names: Mapping[Path, str], study: Path) -> None:
    """Keep runs in the study, each under a name of its own.

    Args:
        names: of the runs' folders.
        study: its folder.

    Raises:
        ParamsError: two runs would have one name; or as `keep`.
        DataError: as `keep`.
    """
    first: dict[str, Path] = {}
    for run, name in names.items():
        if (other := first.setdefault(name, run)) != run:
            raise ParamsError(
                f"{other} and {run}: both would be kept as {study / 'runs' / name}; give one of "
                "them, or rename one of two"
            )
        if run.resolve() == study.resolve():
            raise ParamsError(f"--study {study}: the run itself; name a folder of its own")
    if (study / artifacts.PARAMS).exists() and not (study / "runs").is_dir():
        raise ParamsError(
            f"--study {study}: has a {artifacts.PARAMS} and no runs that were kept, so it is no "
            "such study; name another folder"
        )
    for run, name in names.items():
        keep(run, study, name)


def keep(run: Path, study: Path, name: str) -> None:
    """Copy what is kept of a run into the study, in the place of what was kept before.

    A row's sums that were kept before, and that the run has no longer, stay if they are of the same
    replies as the run's; else a line says that they go.

    Raises:
        ParamsError: there is no run, or stages write into the study's folder or above it.
        DataError: what was kept before has something else in it, or is the run itself; a file of
            the run is damaged, or a link out of it; or its sums or replies are of other tasks,
            models or of another base than the run has.
    """
    params = run / artifacts.PARAMS
    if not params.is_file():
        raise ParamsError(f"{params}: not found; a run's folder was expected")
    refuse_target(study, "--study")
    text = _without_paths(own_file(params, run))
    refuse_other_runs(_belonging(run), run)
    others = {other.name: run_params(study, other.name) for other in _folders(study)}
    others.pop(name, None)
    target = study / "runs" / name
    refuse_foreign(target, own=(*PARTS, CHANGES))
    for part, ending in PARTS.items():
        expected = [path.name for path in (target / part).glob(f"*{ending}")]
        refuse_foreign(target / part, own=expected)
    staying = _staying(run, target)
    with artifacts.atomic_path(target) as folder:
        folder.mkdir(parents=True)
        for path in [*_files(run), *staying]:
            own = folder / path.parent.name / path.name
            own.parent.mkdir(exist_ok=True)
            _copy(path, own)
        artifacts.write_sealed(folder / CHANGES, {})
    artifacts.write_text(study / params.name, text)
    mine = read_yaml(study / params.name)
    for other, values in others.items():
        if values is not None:
            path = study / "runs" / other / CHANGES
            artifacts.write_sealed(path, dict(_changes(mine, values)))


def _belonging(run: Path) -> Iterator[Belonging]:
    """Yield what a run's sums, replies and trials of rates belong to."""
    for path in _files(run):
        if path.parent.name == "shots":
            yield adapted(path, f"shots {path.stem}", _sums(path).made_from, path.stem)
        elif path.parent.name == "replies":
            yield adapted(path, f"replies {path.stem}", _replies(path).made_from, path.stem)
        elif path.stem.endswith("_by_k"):
            name = path.stem.removesuffix("_by_k")
            rows = read_rows(path, RATES, remedy=f"run `python -m stages.rates {name}`")
            tried = {(row["seed"], row["model"]) for row in rows if {"seed", "model"} <= row.keys()}
            for seed, model in sorted(tried):
                folder = artifacts.model_dir(name, int(seed) if seed.isdecimal() else 0)
                yield Belonging(path, f"rates {name}", {folder: model}, is_stage=False)


def _replies(path: Path) -> FewShotReplies:
    return read(path, FewShotReplies, made_by=f"replies {path.stem}")


def _copy(path: Path, target: Path) -> None:
    """Copy a file; of replies only the greedy ones, since a sample of a model may be anything."""
    part, name = path.parent.name, path.stem
    if part == "replies":
        artifacts.write_sealed(target, greedy_alone(_replies(path)).content())
    elif part == "tuning":
        by_k = name.endswith("_by_k")
        again = f"run `python -m stages.{'rates' if by_k else 'tune'} {name.removesuffix('_by_k')}`"
        artifacts.write_text(target, read_text(path, RATES if by_k else TRIALS, remedy=again))
    else:
        shutil.copyfile(path, target)


def _files(run: Path) -> list[Path]:
    paths = [path for part, end in PARTS.items() for path in sorted((run / part).glob(f"*{end}"))]
    return [own_file(path, run) for path in paths if path.is_file()]


def _staying(run: Path, kept_before: Path) -> list[Path]:
    """Return what was kept before of rows that the run lacks; say which of it goes."""
    there = {(path.parent.name, path.name) for path in _files(run)}
    before = [p for p in _files(kept_before) if (p.parent.name, p.name) not in there]
    mine = [_sums(path) for path in sorted((run / "shots").glob("*.json"))[:1]]
    gone: dict[str, str] = {}
    for path in before if mine else ():
        is_row = path.parent.name == "shots" and path.suffix == ".json"
        if is_row and (difference := other_replies(mine[0], _sums(path))):
            gone[path.stem] = difference
    for row, difference in gone.items():
        console.note(f"{kept_before}: row {row} is not kept on, of other replies ({difference})")
    return [p for p in before if p.stem.removesuffix("_by_k") not in gone]


def _sums(path: Path) -> ShotSums:
    return read(path, ShotSums, made_by=f"shots {path.stem}")


def _without_paths(params: Path) -> str:
    """Return a run's params.yaml without paths of this machine: whoever runs it again gives own."""
    read_yaml(params)  # what is no text or no YAML is refused there
    text = params.read_text(encoding="utf-8")
    values = settings_of(text, f"{params}").check()
    paths = {"data.source": values.data.source, "base.source": values.base.source}
    local = {key for key, value in paths.items() if Path(value).is_absolute() or "./" in value}
    return without_secrets(with_values(text, [f"{key}=PATH" for key in paths if key in local]))


def _changes(study: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each key of the run's that has another value in the study's, with the run's value."""
    for key, value in run.items():
        theirs: Any = study.get(key)
        sections = isinstance(value, Mapping) and isinstance(theirs, Mapping)
        if sections and _same_keys(value, theirs):
            yield from ((f"{key}.{inner}", one) for inner, one in _changes(theirs, value))
        elif value != theirs:
            yield key, value


def _same_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether sections differ in values alone; a key with a dot, of a `set`, is no path."""
    return one.keys() == other.keys() and not any("." in key for key in one)


def run_params(study: Path, name: str) -> dict[str, Any] | None:
    """Return the parameters of a kept run; null where an older version did not keep them.

    Raises:
        DataError, ParamsError: the study's files were damaged.
    """
    path = study / "runs" / name / CHANGES
    alone = len(_folders(study)) == 1  # then the study's are its own
    if not (path.is_file() or alone) or not (study / artifacts.PARAMS).is_file():
        return None
    values = read_yaml(study / artifacts.PARAMS)
    changes = artifacts.read_json(path, made_by="shot_tests") if path.is_file() else {}
    for key, value in changes.items():
        *sections, last = key.split(".")
        node: Any = values
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise DataError(f"{path}: {one_line(key)}: no such key in {study / artifacts.PARAMS}")
        node[last] = value
    return values


def kept(study: Path) -> tuple[AllParams, list[Path]]:
    """Return the study's parameters and the folders of its kept runs.

    Raises:
        ParamsError: stages write into the study's folder or above it.
        DataError: there is none.
    """
    refuse_target(study, "--study")
    folders = _folders(study)
    if not folders:
        raise DataError(f"{study / 'runs'}: no run is kept there; name the folders of runs")
    return Settings.load(study / artifacts.PARAMS).check(), folders


def _folders(study: Path) -> list[Path]:
    return sorted(path for path in (study / "runs").glob("*") if path.is_dir())
