"""Whether `metrics/VARIANT.json` has the numbers that the details have. No torch.

The file holds three numbers and no more, for `dvc metrics diff`. So what it is checked against is
the details file, which holds the same numbers with their intervals, and is sealed.
"""

from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.evaluation.schemas.base import Estimates, read
from pipeline.evaluation.schemas.details import Table1Scores


def refuse_other_numbers(name: str, metrics: Estimates, root: Path = Path()) -> None:
    """Refuse a variant's numbers of Table 1 that are not those of its details.

    Args:
        name: of the variant.
        metrics: of the variant's details.
        root: the project's folder. A file that is missing there is not compared.

    Raises:
        DataError: names the file, the number, both values, and the command to run.
    """
    path = root / artifacts.metrics_file(name)
    if not path.is_file():
        return
    for metric, value in read(path, Table1Scores, made_by=f"score {name}"):
        estimate = metrics.get(metric)
        if estimate is not None and estimate.value != value:
            raise DataError(
                f"{path}: {metric} is {value!r}, but {artifacts.details_file(name)} has "
                f"{estimate.value!r}; run `python -m stages.score {name}` (or `dvc repro`)"
            )
