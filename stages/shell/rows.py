"""Which variants a stage finds files of: those of params.yaml, not what earlier rows left behind.

DVC deletes no out of a stage that is gone, so a folder of outs may hold rows of another preset.
"""

from collections.abc import Container
from pathlib import Path

from pipeline.errors import MissingFileError
from stages.shell import console


def rows(folder: Path, suffix: str, variants: Container[str], *, made_by: str) -> list[str]:
    """Return the variants whose file is in the folder, by name; say which others are left out.

    Raises:
        MissingFileError: there is none; `made_by` names the stage that writes them.
    """
    there = sorted(path.stem for path in folder.glob(f"*{suffix}"))
    found = [name for name in there if name in variants]
    if not found:
        raise MissingFileError(folder / f"VARIANT{suffix}", made_by)
    if others := [name for name in there if name not in variants]:
        console.out.print(
            f"{folder}: left out, no key of variants in params.yaml: {', '.join(others)}",
            soft_wrap=True,
        )
    return found
