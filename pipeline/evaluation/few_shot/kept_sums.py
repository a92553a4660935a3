"""Which sums a study's result was made from, so that an older one is not shown. No torch.

A kill between the runs and the result leaves the result of the runs that were kept before.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.few_shot.shots import ShotSums
from pipeline.evaluation.schemas.base import read
from pipeline.params.inputs import own_file


SUMS = "runs/[!.]*/shots/*.json"


def kept_sums(study: Path) -> dict[str, str]:
    """Return the SHA-256 of all sums that a study keeps, by the file's path in the study."""
    paths = sorted(study.glob(SUMS))
    return {path.relative_to(study).as_posix(): artifacts.sha256_of(path) for path in paths}


def kept_rows(study: Path) -> dict[str, dict[str, ShotSums]]:
    """Return all sums that a study keeps, by the run's folder and variant.

    Raises:
        DataError: a file is damaged, or a link out of the study.
    """
    rows: dict[str, dict[str, ShotSums]] = {}
    for path in sorted(study.glob(SUMS)):
        found = read(own_file(path, study), ShotSums, made_by=f"shots {path.stem}")
        rows.setdefault(path.parents[1].name, {})[path.stem] = found
    return rows


def refuse_other_sums(said: Mapping[str, str] | None, result: Path, command: str) -> None:
    """Refuse a result that was made from other sums than its study keeps now.

    Args:
        said: what the result says, as `kept_sums`; null: it is of an older version.
        result: its file, in the study's folder.
        command: makes it from what is kept.

    Raises:
        DataError: names the first file that differs, and the command.
    """
    if said is None:
        return
    now = kept_sums(result.parent)
    for name in sorted({*said, *now}):
        if said.get(name) != now.get(name):
            raise DataError(
                f"{result}: made from another {name} than is kept now; run "
                f"`python -m stages.{command}`"
            )
