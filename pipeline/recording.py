"""Checkpoints of a stage that DVC has started: they stay until DVC has what it wrote.

DVC hashes and copies an out after its stage has ended. If that fails, for a full disk or a kill, it
removes the out when the stage is started again. The stage then goes on from its checkpoint.

A note beside the checkpoint says which stage has ended in which folder, and the digest of each of
its outs. Once `dvc.lock` there names these very bytes and DVC's cache has them, they are recorded,
and the files may go.

What the cache lacks stays, whatever `dvc.lock` says. DVC runs some experiments in a folder of their
own, and removes that when they end, well or not. So nobody can tell whether bytes of such a folder
that the cache has were recorded, nor where `dvc.lock` names others, as after a checkout: of each
stage the last is kept.
"""

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline import artifacts
from pipeline.dvc_files import digest_of, is_cached, outs_of
from pipeline.errors import PipelineError


STAGE = "DVC_STAGE"  # of the environment: DVC's name of the stage
BY_STARTER = "MAMLVIAPP_STARTER_RECORDS"  # its starter says itself when the stage is recorded
_ENDING = ".ended"  # of a note; before it stands the name of the first file that may go
_LARGEST = 4 << 20  # bytes of a note
_DAMAGE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)

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
    """What is noted of a stage that has ended; `outs` are their digests, as DVC has them."""

    stage: str
    folder: str
    outs: Mapping[str, str]

    @property
    def is_here(self) -> bool:
        """Whether the stage is one of this folder: an experiment may have its own."""
        return self.folder == str(Path.cwd())


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


def spare(files: Sequence[Path], outs: Iterable[Path]) -> bool:
    """Note files that may go once DVC has the outs; false without DVC, or outs on this machine."""
    stage = os.environ.get(STAGE)
    there = [] if stage is None else [out for out in outs if out.exists()]
    if not there:
        return False
    digests = {out.as_posix(): digest_of(out) for out in there}
    names = [path.name for path in files]
    content = {"stage": stage, "folder": str(Path.cwd()), "outs": digests, "files": names}
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
    """Remove what stages of this folder left whose outs DVC has recorded.

    Of those that its cache has and nobody can tell of, all but the last of each stage go.
    """
    unknown: dict[str, list[tuple[int, Path]]] = defaultdict(list)
    for note, content in _notes():
        if not is_cached(content.outs):
            continue
        if content.is_here and outs_of(content.stage) == content.outs:
            recorded([note])
        elif content.is_here or not Path(content.folder).is_dir():
            with suppress(OSError):
                unknown[content.stage].append((note.stat().st_mtime_ns, note))
    recorded(note for left in unknown.values() for _, note in sorted(left)[:-1])


def _notes() -> Iterator[tuple[Path, _Note]]:
    for note in sorted(_folder().glob(f"*{_ENDING}")):
        with suppress(*_DAMAGE):  # or gone meanwhile
            if not note.is_file() or note.stat().st_size > _LARGEST:
                continue
            content = json.loads(note.read_text(encoding="utf-8"))
            if content["files"] and content["outs"]:
                outs = {str(path): str(digest) for path, digest in content["outs"].items()}
                yield note, _Note(str(content["stage"]), str(content["folder"]), outs)


def _folder() -> Path:
    return Path(os.environ.get("DVC_ROOT", "")) / artifacts.CHECKPOINTS


def _note(files: Sequence[Path]) -> Path:
    return files[0].with_name(f"{files[0].name}{_ENDING}")
