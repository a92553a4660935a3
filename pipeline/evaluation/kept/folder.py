"""A study's folder: what `study keep` writes there, and what it may replace. No torch."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.params import read_yaml
from pipeline.params.inputs import json_with


ABOUT = "about.md"  # what was asked, in words: a template
README = "README.md"  # made of it
RUNS = "runs.json"
COPIED = {  # of a run: files that are small as they are
    artifacts.BASE_FACTS: "base.json",
    artifacts.TASKS_SUMMARY: "summary.json",
    artifacts.FLOORS: "floors.json",
}
FOLDERS = ("metrics", "kshot", "sums", "support", "history")
MADE = ("params.yaml", *FOLDERS, "comparison.json", RUNS, *COPIED.values())

_RUN = re.compile(r".-seed-[0-9]+$")  # a training run's name ends so
_RECEIVER = artifacts.receiver_dir(0).parent.name  # P² Bot's, which is no row of its own


def refuse_kept_runs(study: Path) -> None:
    """Refuse the study of runs that `shot_tests` or `conflict` kept: its `params.yaml` is theirs.

    `runs/NAME/changes.json` has what theirs differ by, so another file would change them all.
    """
    for folder in kept_runs(study):
        raise DataError(
            f"{one_line(folder)}: a run that `shot_tests` or `conflict` kept, which needs "
            f"{study / artifacts.PARAMS} as it is; give `study keep` a study of another name"
        )


def kept_runs(study: Path) -> Iterator[Path]:
    """Yield the folders of a study that have something of a run that was kept."""
    for part in ("changes.json", "shots", "tuning", "replies"):
        yield from (path.parent for path in study.glob(f"runs/[!.]*/{part}"))


def refuse_foreign(study: Path) -> None:
    """Refuse a study's folder with what this would replace and did not write, by its name."""
    is_study = (study / artifacts.PARAMS).is_file()
    own = {*_own(study)} if is_study else set()
    for name in MADE:
        path = study / name
        if not is_study or (name in FOLDERS) != path.is_dir() or path.is_symlink():
            foreign = [path] if os.path.lexists(path) else []
        else:
            inside = sorted(path.iterdir()) if name in FOLDERS else []
            foreign = [one for one in inside if one not in own or not one.is_file()]
        for one in foreign:
            raise DataError(
                f"{one_line(one)}: not written by `study keep`, which replaces {one_line(path)}; "
                "move it to another name or folder, or delete it"
            )


def _own(study: Path) -> Iterator[Path]:
    """Yield what a study's folders may hold: each variant's files, and each training run's."""
    variants = read_yaml(study / artifacts.PARAMS).get("variants")
    known = variants if isinstance(variants, dict) else {}
    more = {path.stem for path in (study / "metrics").glob("*.json") if _is_details(path)}
    for name in more.union(known):
        yield from (study / part / f"{name}.json" for part in ("metrics", "support"))
        # Older studies name the history of a variant's only run after the variant.
        yield from (study / part / f"{name}.csv" for part in ("kshot", "sums", "history"))
    yield from (path for path in (study / "history").glob("*.csv") if _RUN.search(path.stem))


def _is_details(path: Path) -> bool:
    """Say whether a file is the details of a variant that params.yaml has no longer."""
    return json_with(["headline"])(path.read_bytes())


def refuse_loss(run: Path, study: Path, anew: Path, seeds: Collection[int]) -> None:
    """Refuse to drop what was kept before of a run that has it no longer.

    Git has a run's metrics alone: a clone of it lacks the predictions and models, of which a study
    keeps sums and histories. A row, or a training seed, that the run does not have goes with all
    that is its own.

    Args:
        run: the run's folder.
        study: the study's.
        anew: what is to be put in its place.
        seeds: the run's training seeds.

    Raises:
        DataError: names the first such file.
    """
    rows = {path.stem for path in (anew / "metrics").glob("*.json")}
    before = [study / name for name in MADE if name not in FOLDERS]
    before += [path for part in FOLDERS for path in sorted((study / part).glob("*"))]
    lost = [
        path
        for path in before
        if path.is_file()
        and not (anew / path.relative_to(study)).exists()
        and (path.parent == study or _is_of(path, rows, seeds, anew))
    ]
    if lost:
        raise DataError(
            f"{lost[0]}: kept before, but {one_line(run)} has nothing of which to make it again "
            f"({len(lost)} such files); bring the run's models/ and predictions/ back (`dvc "
            "pull`, or `dvc repro`), or delete what shall go from the study"
        )


def _is_of(path: Path, rows: Collection[str], seeds: Collection[int], anew: Path) -> bool:
    """Say whether a file of a study's folder belongs to a row and seed that the run has."""
    if path.parent.name != "history":
        return path.stem in rows
    row, _, seed = path.stem.rpartition("-seed-")
    if not row:  # of an older study, named after the row
        return path.stem in rows and not any((anew / "history").glob(f"{path.stem}-seed-*"))
    return (row in rows or row == _RECEIVER) and seed.isdecimal() and int(seed) in seeds
