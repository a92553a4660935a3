"""Outs that are folders: each has a record, which names the files beside it by their SHA-256.

Whoever reads such a folder asks `refuse_damaged` first. So a line blames the file that was damaged
and the stage that writes it, not what was made from it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, one_line


FILES = "files"  # the record's key: SHA-256 by name
VARIANT = "variant.json"
RECEIVER = "receiver.json"
_RECORDS = {
    artifacts.RAW: (artifacts.RAW_SOURCE.name, "download"),
    artifacts.TASKS: (artifacts.TASKS_SUMMARY.name, "tasks"),
    artifacts.BASE: (artifacts.BASE_FACTS.name, "base"),
}


def write_record(
    folder: Path, name: str, content: Mapping[str, Any], passed_on: Mapping[str, str] | None = None
) -> None:
    """Write a folder's record, sealed, after all of its other files.

    Args:
        folder: of the files.
        name: the record's.
        content: what else it says.
        passed_on: digests, by name, of files in it that another stage made and recorded. They are
            not taken anew: a file that was damaged since then would be right again.
    """
    digests = {**_digests(folder, name), **(passed_on or {})}
    artifacts.write_sealed(folder / name, {**content, FILES: digests})


def refuse_damaged(place: Path, root: Path = Path()) -> None:
    """Refuse an out that is not as its stage wrote it; one of an older version is not looked at.

    Args:
        place: the folder, or a file in it; any other path is passed over.
        root: the project's folder.

    Raises:
        DataError: a file was changed, is missing, or is not the stage's; names it and what to do.
            Or the record was edited.
    """
    for folder in (place, *place.parents):
        known = _record_of(folder)
        if known is not None:
            _refuse_damaged(root / folder, *known)
            return


def require_record(folder: Path) -> dict[str, Any]:
    """Return an out's record.

    Raises:
        MissingFileError: it is not there, so nobody can tell what made the out.
        DataError: it was edited or damaged.
    """
    name, made_by = _RECORDS[folder]
    return artifacts.read_json(folder / name, made_by=made_by)


class Snapshot:
    """What a stage reads: paths, with their digests as they were before it began."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Refuse damaged outs, and keep the digests of what is there."""
        self.digests: dict[Path, str] = {}
        for path in paths:
            refuse_damaged(path)
            if path.exists():
                self.digests[path] = artifacts.sha256_of(path)

    def refuse_changed(self) -> None:
        """Refuse inputs that were replaced while they were read, before anything is published.

        Raises:
            DataError: names the input.
        """
        for path, then in self.digests.items():
            if not path.exists() or artifacts.sha256_of(path) != then:
                raise DataError(
                    f"{path}: replaced while it was read, so what was made from it is unknown; run "
                    "the same command again when nothing else writes there"
                )


def _record_of(folder: Path) -> tuple[str, str | None] | None:
    """Return the name of a folder's record and the stage that writes it, null: the record says."""
    if folder in _RECORDS:
        return _RECORDS[folder]
    seed = folder.name.removeprefix("seed-")
    if folder.parent.parent != artifacts.MODELS or seed == folder.name:
        return None
    if folder.parent == artifacts.receiver_dir(0).parent:
        return RECEIVER, f"p2_receiver {seed}"
    return VARIANT, None


def _refuse_damaged(folder: Path, name: str, made_by: str | None) -> None:
    said, stage = _said(folder / name, made_by)
    now = _digests(folder, name)
    again = f"run `python -m stages.{stage}` (or `dvc repro`)"
    if made_by == "download":
        again = f"delete {folder}, then {again}"
    for file in sorted(said.keys() | now.keys()) if said else ():
        where, record = folder / one_line(file), folder / name
        if file not in said:
            raise DataError(f"{where}: not written by stage {stage.split()[0]}; move it elsewhere")
        if file not in now:
            raise DataError(f"{where}: missing, {record} names it; {again}")
        if now[file] != said[file]:
            raise DataError(
                f"{where}: changed or damaged since it was written: its SHA-256 is "
                f"{now[file][:12]}…, {record} says {one_line(said[file], 64)[:12]}…; {again}"
            )


def _said(record: Path, made_by: str | None) -> tuple[dict[str, str], str]:
    """Return a record's digests and the stage that wrote it; no digests of an older version."""
    if not record.is_file():
        return {}, ""
    try:
        content = artifacts.read_json(record, made_by=made_by or "train")
    except DataError:
        if made_by is None:  # whoever reads the run's record knows its stage, and says it
            return {}, ""
        raise
    said = content.get(FILES)
    run = f"{one_line(content.get('method'), 20)} {record.parts[-3]} {record.parts[-2][5:]}"
    return said if isinstance(said, dict) else {}, made_by or run


def _digests(folder: Path, record: str) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path != folder / record)
    found = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: artifacts.sha256_of(found[name]) for name in sorted(found)}
