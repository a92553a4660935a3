"""The parameters of the runs that a study keeps.

A study has one `params.yaml`, that of the run which was kept last. `runs/NAME/changes.json` has
what another run's differs by: keys of params.yaml with the run's own values. A key that does not
differ may be there, too: so while `params.yaml` is replaced the changes hold for it before and
after, and wherever a run is killed every run has its own parameters. Before the first run is kept
there is no `params.yaml`, so its changes are all of its parameters.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError, one_line
from pipeline.evaluation.kept.folder import kept_runs
from pipeline.params import read_yaml
from pipeline.params.edit import with_values, without_secrets
from pipeline.params.settings import settings_of
from pipeline.params.yaml_text import loaded


CHANGES = "changes.json"


class KeptParams:
    """The parameters of a study's runs, while one of them is kept anew.

    Args:
        study: its folder.
        name: of the run that is kept.
        text: its `params.yaml`, as `without_paths` returns it.

    Raises:
        DataError, ParamsError: the study's files were damaged; or its `params.yaml` is none that
            was written here.
    """

    def __init__(self, study: Path, name: str, text: str) -> None:
        self._path = study / artifacts.PARAMS
        self._text = text
        self._mine: dict[str, Any] = loaded(text)
        self._refuse_foreign(study)
        self._before = read_yaml(self._path) if self._path.is_file() else None
        others = [folder for folder in run_folders(study) if folder.name != name]
        self._others = {other: run_params(study, other.name) for other in others}
        self._own = study / "runs" / name

    def _refuse_foreign(self, study: Path) -> None:
        """Refuse a `params.yaml` of the user's: a study's comes after its first run."""
        if os.path.lexists(self._path) and not any(kept_runs(study)):
            raise ParamsError(
                f"{self._path}: there, but no run that was kept, so {study} is no study of runs; "
                "name another folder"
            )

    def prepare(self, folder: Path) -> None:
        """Write changes that hold before and after `replace`; the run's own into its new folder.

        Called when all else is in that folder, directly before it gets its name.
        """
        before = self._before or {}
        artifacts.write_sealed(folder / CHANGES, dict(changes(before, self._mine)))
        self._write_others(before, self._mine)

    def replace(self) -> None:
        """Make the run's params.yaml the study's, then name what differs from it alone."""
        artifacts.write_text(self._path, self._text)
        artifacts.write_sealed(self._own / CHANGES, {})
        self._write_others(self._mine)

    def _write_others(self, *bases: Mapping[str, Any]) -> None:
        for other, values in self._others.items():
            if values is not None:
                both = {key: value for base in bases for key, value in changes(base, values)}
                artifacts.write_sealed(other / CHANGES, both)


def without_paths(params: Path) -> str:
    """Return a run's params.yaml without paths of this machine: whoever runs it again gives own."""
    read_yaml(params)  # what is no text or no YAML is refused there
    text = params.read_text(encoding="utf-8")
    values = settings_of(text, f"{params}").check()
    paths = {"data.source": values.data.source, "base.source": values.base.source}
    local = {key for key, value in paths.items() if Path(value).is_absolute() or "./" in value}
    return without_secrets(with_values(text, [f"{key}=PATH" for key in paths if key in local]))


def changes(study: Mapping[str, Any], run: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each key of the run's that has another value in the study's, with the run's value."""
    for key, value in run.items():
        theirs: Any = study.get(key)
        sections = isinstance(value, Mapping) and isinstance(theirs, Mapping)
        if sections and _same_keys(value, theirs):
            yield from ((f"{key}.{inner}", one) for inner, one in changes(theirs, value))
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
    alone = [folder.name for folder in run_folders(study)] == [name]  # the study's are its own
    has_params = (study / artifacts.PARAMS).is_file()
    if not path.is_file() and not (alone and has_params):
        return None
    values = read_yaml(study / artifacts.PARAMS) if has_params else {}
    own = artifacts.read_json(path, made_by="shot_tests") if path.is_file() else {}
    for key, value in own.items():
        *sections, last = key.split(".")
        node: Any = values
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            raise DataError(f"{path}: {one_line(key)}: no such key in {study / artifacts.PARAMS}")
        node[last] = value
    return values or None


def run_folders(study: Path) -> list[Path]:
    """Return the folders of a study's kept runs."""
    paths = (study / "runs").glob("*")
    return sorted(path for path in paths if path.is_dir() and not artifacts.is_scratch(path))


def recover(study: Path) -> None:
    """Clear up what killed runs left among a study's kept runs, as `artifacts.recover` does."""
    artifacts.recover(study / "runs")
    for folder in run_folders(study):
        artifacts.recover(folder)
