"""What a study keeps of runs that have shots: parameters, sums and trials."""

import shutil
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError


PARTS = ("shots", "tuning")  # of each run


def keep(run: Path, study: Path, name: str) -> None:
    """Copy what is kept of a run into the study, in the place of what was kept before.

    Raises:
        ParamsError: there is no run.
    """
    params = run / artifacts.PARAMS
    if not params.is_file():
        raise ParamsError(f"{params}: not found; a run's folder was expected")
    with artifacts.atomic_path(study / "runs" / name) as folder:
        folder.mkdir(parents=True)
        shutil.copyfile(params, folder / params.name)
        for path in [path for part in PARTS for path in sorted((run / part).glob("*"))]:
            if path.is_file():
                target = folder / path.relative_to(run)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, target)


def kept(study: Path) -> list[Path]:
    """Return the folders of the kept runs.

    Raises:
        DataError: there is none.
    """
    folders = sorted(path for path in (study / "runs").glob("*") if path.is_dir())
    if not folders:
        raise DataError(f"{study / 'runs'}: no run is kept there; name the folders of runs")
    return folders
