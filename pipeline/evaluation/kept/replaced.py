"""What of a study's folder `study keep` has written, and so may replace. No torch."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.params import read_yaml


RUNS = "runs.json"
COPIED = {  # of a run: files that are small as they are
    artifacts.BASE_FACTS: "base.json",
    artifacts.TASKS_SUMMARY: "summary.json",
    artifacts.FLOORS: "floors.json",
}
FOLDERS = ("metrics", "kshot", "sums", "support", "history")
MADE = ("params.yaml", *FOLDERS, "comparison.json", RUNS, *COPIED.values())

_RUN = re.compile(r".-seed-[0-9]+$")  # a training run's name ends so


def refuse_foreign(study: Path) -> None:
    """Refuse a study's folder with what `keep` would replace and did not write, by its name.

    Raises:
        DataError: names the file or folder of the user's.
    """
    is_study = (study / artifacts.PARAMS).is_file()
    own = {*_own(study)} if is_study else set()
    for name in MADE:
        path = study / name
        if not is_study or (name in FOLDERS) != path.is_dir() or path.is_symlink():
            foreign = [path] if os.path.lexists(path) else []
        else:
            inside = sorted(path.iterdir()) if name in FOLDERS else []
            foreign = [one for one in inside if one not in own or not one.is_file()]
        if foreign:
            raise DataError(
                f"{one_line(foreign[0])}: not written by `study keep`, which replaces "
                f"{one_line(path)}; move it to another name or folder, or delete it"
            )


def _own(study: Path) -> Iterator[Path]:
    """Yield what a study's folders may hold: each variant's files, and each training run's."""
    variants = read_yaml(study / artifacts.PARAMS).get("variants")
    known = {*variants} if isinstance(variants, dict) else set()
    known |= {path.stem for path in (study / "metrics").glob("*.json") if _is_details(path)}
    for name in known:
        yield from (study / part / f"{name}.json" for part in ("metrics", "support"))
        # Older studies name the history of a variant's only run after the variant.
        yield from (study / part / f"{name}.csv" for part in ("kshot", "sums", "history"))
    yield from (path for path in (study / "history").glob("*.csv") if _RUN.search(path.stem))


def _is_details(path: Path) -> bool:
    """Say whether a file is the details of a variant that params.yaml has no longer."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "headline" in content
