"""What a study keeps of runs that have shots: sums and trials of each, parameters once."""

import shutil
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError
from pipeline.params import Settings
from pipeline.params.edit import with_values
from pipeline.params.inputs import refuse_target
from pipeline.params.settings import settings_of
from pipeline.params.views import AllParams


PARTS = ("shots", "tuning", "replies")  # of each run


def keep(run: Path, study: Path, name: str) -> None:
    """Copy what is kept of a run into the study, in the place of what was kept before.

    The runs of a study have the same parameters but for what names them, and for `finetune.by_k`,
    which the shots say, too. So the study keeps those of the run that was named last.

    Raises:
        ParamsError: there is no run.
    """
    params = run / artifacts.PARAMS
    if not params.is_file():
        raise ParamsError(f"{params}: not found; a run's folder was expected")
    refuse_target(study / "runs", "--study")
    with artifacts.atomic_path(study / "runs" / name) as folder:
        folder.mkdir(parents=True)
        for path in [path for part in PARTS for path in sorted((run / part).glob("*"))]:
            if path.is_file():
                target = folder / path.relative_to(run)
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, target)
    text = params.read_text(encoding="utf-8")
    artifacts.write_text(study / params.name, with_values(text, _without_paths(text)))


def _without_paths(text: str) -> list[str]:
    """Return what replaces paths of this machine: whoever runs the study again gives their own."""
    values = settings_of(text, artifacts.PARAMS.name).check()
    paths = {"data.source": values.data.source, "base.source": values.base.source}
    local = {key for key, value in paths.items() if Path(value).is_absolute() or "./" in value}
    return [f"{key}=PATH" for key in paths if key in local]


def kept(study: Path) -> tuple[AllParams, list[Path]]:
    """Return the study's parameters and the folders of its kept runs.

    Raises:
        DataError: there is none.
    """
    folders = sorted(path for path in (study / "runs").glob("*") if path.is_dir())
    if not folders:
        raise DataError(f"{study / 'runs'}: no run is kept there; name the folders of runs")
    return Settings.load(study / artifacts.PARAMS).check(), folders
