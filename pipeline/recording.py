"""Checkpoints of a stage that DVC has started: they stay until DVC has recorded what it wrote.

DVC hashes and copies an out after its stage has ended. If that fails, for a full disk or a kill, it
removes the out when the stage is started again. The stage then goes on from its checkpoint.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import PipelineError


STAGE = "DVC_STAGE"  # of the environment: DVC's name of the stage
BY_STARTER = "MAMLVIAPP_STARTER_RECORDS"  # its starter says itself when the stage is recorded
_ENDING = ".ended"  # of a note: a line for each file that may go

_FOLDERS = (
    artifacts.RAW.parent,
    artifacts.MODELS,
    artifacts.PREDICTIONS,
    artifacts.METRICS,
    artifacts.DETAILS,
    artifacts.KSHOT,
)


def begin() -> None:
    """Begin a stage: what earlier ones left goes, since DVC starts one when it has recorded those.

    Raises:
        PipelineError: outs would lie out of the project, where DVC records none.
    """
    if (stage := os.environ.get(STAGE)) is None:
        return
    refuse_folders_elsewhere(_FOLDERS, Path.cwd())
    if BY_STARTER not in os.environ:
        for note in {*_folder().glob(f"*{_ENDING}")} - {_note(stage)}:
            _clear(note)


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
                "work would be lost; move it back, and give DVC's cache the room: `dvc config "
                "--local cache.dir FOLDER` and `dvc config --local cache.type symlink`"
            )


def go_on_from(files: Iterable[Path]) -> None:
    """Note no longer that these files may go: this stage goes on from them."""
    if (stage := os.environ.get(STAGE)) is None or not (note := _note(stage)).is_file():
        return
    names = {path.name for path in files}
    rest = [name for name in note.read_text(encoding="utf-8").splitlines() if name not in names]
    artifacts.write_text(note, "".join(f"{name}\n" for name in rest))


def spare(files: Iterable[Path]) -> bool:
    """Note files that may go once DVC has recorded this stage; false without DVC."""
    if (stage := os.environ.get(STAGE)) is None:
        return False
    note = _note(stage)
    note.parent.mkdir(parents=True, exist_ok=True)
    with note.open("a", encoding="utf-8") as lines:
        lines.writelines(f"{path.name}\n" for path in files)
    return True


def recorded(stage: str) -> None:
    """Remove what a stage has noted: DVC has recorded it."""
    _clear(_note(stage))


def _folder() -> Path:
    return Path(os.environ.get("DVC_ROOT", "")) / artifacts.CHECKPOINTS


def _note(stage: str) -> Path:
    return _folder() / f"{stage.replace('/', '-')}{_ENDING}"


def _clear(note: Path) -> None:
    if note.is_file():
        for name in note.read_text(encoding="utf-8").splitlines():
            if own := Path(name).name:
                (note.parent / own).unlink(missing_ok=True)
        note.unlink()
