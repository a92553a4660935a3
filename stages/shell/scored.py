"""Which rows of Table 1 have files: only those that `scored` of params.yaml names.

DVC does not delete the outs of a stage that no longer exists. So a folder of outs may also hold
files of variants of another preset.
"""

from collections.abc import Container
from pathlib import Path

from pipeline.errors import MissingFileError
from stages.shell import console


def scored_with_files(
    folder: Path, suffix: str, scored: Container[str], *, made_by: str
) -> list[str]:
    """Return the scored variants whose file is in the folder, by name; print which are left out.

    Raises:
        MissingFileError: no scored variant has a file; `made_by` names the stage that writes it.
    """
    names = sorted(path.stem for path in folder.glob(f"*{suffix}"))
    own = [name for name in names if name in scored]
    if not own:
        raise MissingFileError(folder / f"VARIANT{suffix}", made_by)
    if others := [name for name in names if name not in scored]:
        console.out.print(
            f"{folder}: left out, not in scored of params.yaml: {', '.join(others)}",
            soft_wrap=True,
        )
    return own
