"""Checkpoints of a stage that DVC has started: they stay until DVC has recorded what it wrote.

DVC hashes and copies an out after its stage has ended. If that fails, for a full disk or a kill, it
removes the out when the stage is started again. The stage then goes on from its checkpoint.

A note beside the checkpoint says which stage has ended in which folder, with which `params.yaml`,
its code, and what `dvc.lock` there had of it and of all outs. Once `dvc.lock` has something else of
the stage, made with the same parameters from the same outs, the code is still the same, and DVC's
cache has it, it is recorded, and the files may go. What is made again to the byte is not told apart
from what was never recorded: then they stay.

DVC runs some experiments in a folder of their own, and removes that when they end, well or not. So
nobody can tell whether a stage of such a folder was recorded, nor where the code is another one by
now, as that of another branch, or the cache is not found: of each stage the last is kept.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline import artifacts
from pipeline.dvc_files import LOCK, entry_of, is_cached, outs_of, text_of
from pipeline.errors import PipelineError


STAGE = "DVC_STAGE"  # of the environment: DVC's name of the stage
BY_STARTER = "MAMLVIAPP_STARTER_RECORDS"  # its starter says itself when the stage is recorded
_ENDING = ".ended"  # of a note; before it stands the name of the first file that may go
_LARGEST = 4 << 20  # bytes of a note
_PROJECT = Path(__file__).resolve().parents[1]

_FOLDERS = (
    artifacts.RAW.parent,
    artifacts.MODELS,
    artifacts.PREDICTIONS,
    artifacts.METRICS,
    artifacts.DETAILS,
    artifacts.KSHOT,
)

Notes = dict[Path, int]  # with the time of each


@dataclass(frozen=True)
class _Note:
    """What is noted of a stage that has ended.

    `outs` are digests of `dvc.lock` by path, `code` those of the files that ran.
    """

    stage: str
    folder: str
    recorded: str
    params: str
    outs: Mapping[str, str]
    code: Mapping[str, str]

    @property
    def is_here(self) -> bool:
        """Whether the stage is one of this folder: an experiment may have its own."""
        return self.folder == str(Path.cwd())

    @property
    def is_same_code(self) -> bool:
        """Whether the files that ran are still as they were."""
        return all(_digest(text_of(_PROJECT / name)) == was for name, was in self.code.items())


def begin() -> None:
    """Begin a stage: what earlier ones left goes, if DVC has recorded them since.

    Raises:
        PipelineError: outs would lie out of the project, where DVC records none.
    """
    if STAGE not in os.environ:
        return
    refuse_folders_elsewhere(_FOLDERS, Path.cwd())
    if BY_STARTER not in os.environ:
        clear_recorded()


def refuse_folders_elsewhere(folders: Iterable[Path], project: Path) -> None:
    """Refuse folders of outs that links lead out of the project; an out itself may be DVC's link.

    Raises:
        PipelineError: names the first.
    """
    root = project.resolve()
    for folder in folders:
        if not (place := (project / folder).resolve()).is_relative_to(root):
            raise PipelineError(
                f"{folder}: leads to {place}, out of the project, where DVC records nothing: the "
                "work would be lost; move it back. To give DVC's cache another disk, move "
                ".dvc/cache to it, then run `dvc config --local cache.dir FOLDER`"
            )


def spare(files: Sequence[Path]) -> bool:
    """Note files that may go once DVC has recorded this stage; false without DVC."""
    if (stage := os.environ.get(STAGE)) is None:
        return False
    content = {
        "stage": stage,
        "folder": str(Path.cwd()),
        "recorded": _digest(entry_of(stage)),
        "outs": outs_of(text_of(LOCK)),
        "code": {name: _digest(text_of(_PROJECT / name)) for name in _code()},
        "params": text_of(artifacts.PARAMS),
        "files": [path.name for path in files],
    }
    artifacts.write_text(_note(files), json.dumps(content))
    return True


def go_on_from(files: Sequence[Path]) -> None:
    """Note no longer that these files may go: this run goes on from them."""
    _note(files).unlink(missing_ok=True)


def notes_of(stage: str) -> Notes:
    """Return the notes of a stage that has ended in this folder."""
    found = {}
    for note, content in _notes():
        if content.stage == stage and content.is_here:
            with suppress(FileNotFoundError):
                found[note] = note.stat().st_mtime_ns
    return found


def recorded(notes: Iterable[Path]) -> None:
    """Remove what these notes name, and them: DVC has recorded their stage."""
    for note in notes:
        with suppress(OSError):  # gone, or not ours to remove
            for name in json.loads(note.read_text(encoding="utf-8"))["files"]:
                if own := Path(name).name:
                    (note.parent / own).unlink(missing_ok=True)
            note.unlink()


def clear_recorded() -> None:
    """Remove what stages of this folder left that `dvc.lock` has recorded since they ended.

    Of those of which nobody can tell, all but the last of each stage go.
    """
    unknown: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for note, content in _notes():
        is_recorded = content.is_here and _is_recorded(content)
        if is_recorded and content.is_same_code and is_cached(entry_of(content.stage)):
            recorded([note])
        elif is_recorded or not Path(content.folder).is_dir():
            with suppress(OSError):
                unknown[content.stage].append((note.stat().st_mtime_ns, note))
    recorded(note for left in unknown.values() for _, note in sorted(left)[:-1])


def _notes() -> Iterator[tuple[Path, _Note]]:
    for note in sorted(_folder().glob(f"*{_ENDING}")):
        with suppress(OSError, ValueError, TypeError, KeyError, RecursionError):  # gone, or damaged
            if not note.is_file() or note.stat().st_size > _LARGEST:
                continue
            content = json.loads(note.read_text(encoding="utf-8"))
            stage, folder, of_stage, params = (
                str(content[key]) for key in ("stage", "folder", "recorded", "params")
            )
            if content["files"]:
                inputs = (dict(content.get(key, {})) for key in ("outs", "code"))
                yield note, _Note(stage, folder, of_stage, params, *inputs)


def _is_recorded(content: _Note) -> bool:
    """Say whether `dvc.lock` has got the stage since, as it was run."""
    entry = entry_of(content.stage)
    if not entry or _digest(entry) == content.recorded:
        return False
    try:
        read = YAML(typ="safe")
        (stage,) = read.load(entry).values()
        params = read.load(content.params)
        now = outs_of(text_of(LOCK))
        same_params = all(
            _value(params, key) == value
            for values in stage.get("params", {}).values()
            for key, value in values.items()
        )
        same_inputs = all(
            content.outs.get(dep["path"], dep["md5"]) == dep["md5"]
            and _within(dep["path"], content.outs) == _within(dep["path"], now)
            for dep in stage.get("deps", ())
        )
        return same_params and same_inputs
    except (YAMLError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _within(folder: str, outs: Mapping[str, str]) -> Mapping[str, str]:
    return {path: digest for path, digest in outs.items() if path.startswith(f"{folder}/")}


def _value(params: Any, key: str) -> object:
    for part in key.split("."):
        params = params[part]
    value: object = params
    return value


def _code() -> set[str]:
    """Return the project's files that this process has imported."""
    files = {getattr(module, "__file__", None) or "/" for module in [*sys.modules.values()]}
    names = {os.path.relpath(file, _PROJECT) for file in files}
    return {name for name in names if name.startswith(("pipeline/", "stages/"))}


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _folder() -> Path:
    return Path(os.environ.get("DVC_ROOT", "")) / artifacts.CHECKPOINTS


def _note(files: Sequence[Path]) -> Path:
    return files[0].with_name(f"{files[0].name}{_ENDING}")
