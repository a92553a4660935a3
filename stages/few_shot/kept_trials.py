"""Which trials on valid a study keeps of a run: those of `tune` and `rates` that are the run's."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.evaluation.few_shot.rates_file import BY_K, rates_made
from pipeline.evaluation.schemas.made_from import Belonging
from pipeline.evaluation.schemas.number_table import RATES, TRIALS, read_text
from pipeline.evaluation.studies.trials_file import is_of_run
from pipeline.params import Settings
from stages.shell import console


PART = "tuning"  # the folder of a run


def rates_of(files: Iterable[Path]) -> list[Path]:
    """Return those of a run's files that `rates` wrote."""
    return [path for path in files if path.parent.name == PART and path.stem.endswith(BY_K)]


def command(path: Path) -> str:
    """Return the command that makes a file of trials, as `tune transfer`."""
    name = path.stem.removesuffix(BY_K)
    return f"tune {name}" if name == path.stem else f"rates {name}"


def untold(files: Iterable[Path]) -> list[Path]:
    """Return those of `rates` that do not say with which parameters they were made.

    Raises:
        DataError: a file is damaged.
    """
    return [path for path in rates_of(files) if not all(made.values for made in rates_made(path))]


def without_others(
    files: Sequence[Path], run: Path, settings: Settings, belonging: Iterable[Belonging]
) -> list[Path]:
    """Return a run's files but those of `tune` that do not say that they are the run's; name them.

    The project's own trials lie in `tuning/` of every clone, whatever is run there.

    Args:
        files: the run's.
        run: its folder.
        settings: its.
        belonging: what its other files belong to, once that was checked.

    Raises:
        DataError: a file is damaged.
    """
    known = {path: digest for one in belonging for path, digest in one.digests.items()}
    tuned = [path for path in files if path.parent.name == PART and path not in rates_of(files)]
    others = [path for path in tuned if not is_of_run(path, run, settings, known)]
    if others:
        console.note(
            f"{run}: {', '.join(path.relative_to(run).as_posix() for path in others)}: not kept: "
            "trials of another run, or they do not say of which; "
            f"`python -m stages.{command(others[0])}` makes them anew"
        )
    return [path for path in files if path not in others]


def checked_text(path: Path) -> str:
    """Return the text of a file of trials.

    Raises:
        DataError: it is damaged.
    """
    kind = RATES if rates_of([path]) else TRIALS
    return read_text(path, kind, remedy=f"run `python -m stages.{command(path)}`")
