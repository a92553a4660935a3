"""What `tuning/VARIANT_by_k.csv` was made from, and whether shots have its choice. No torch.

Each row says it: the seed and digest of the model, those of base and valid people, and which
parameters made all of them; of section `finetune` not what the trials vary. Files of older versions
lack some of these columns, or all.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.evaluation.few_shot.kept_sums import kept_rows
from pipeline.evaluation.few_shot.shots import ShotSums
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom, adapting
from pipeline.evaluation.schemas.made_from import Belonging
from pipeline.evaluation.schemas.number_table import RATES, CsvRow, read_rows
from pipeline.params.inputs import own_file
from pipeline.params.stated import Made
from pipeline.strict_json import first_problem, strict_loads


BY_K = "_by_k"  # ends the names of these files
# Keys of section `finetune` that a trial does not share with the others, or does not read.
_OTHERS = ("optimizer", "lr", "by_k", "max_folds")


def made_from_columns(said: AdaptedFrom, seed: int, valid: str) -> dict[str, str]:
    """Return the columns that say what trials were made from.

    Args:
        said: what the command has read.
        seed: of the model that was tried.
        valid: SHA-256 of the valid people's tasks.
    """
    values = adapting(said)
    values["finetune"] = {k: v for k, v in values["finetune"].items() if k not in _OTHERS}
    columns = {"model": said.models[seed], "base": said.base, "valid": valid}
    read_keys = {key: value for key, value in values.items() if key != "seeds"}
    made_with = (said.made_with or {}) | read_keys
    return columns | {"made_with": json.dumps(made_with, sort_keys=True)}


def rates_belonging(path: Path) -> Iterator[Belonging]:
    """Yield what a run's trials belong to, as far as they say it.

    Raises:
        DataError: the file is damaged.
    """
    name, rows = _read(path)
    for row in told(rows, "seed", "model", "base", "valid"):
        seed = int(row["seed"]) if row.get("seed", "").isdecimal() else 0
        folders = {"base": artifacts.BASE, "valid": artifacts.tasks_file("valid")}
        folders |= {"model": artifacts.model_dir(name, seed)} if "seed" in row else {}
        digests = {folder: row[key] for key, folder in folders.items() if key in row}
        yield Belonging(path, f"rates {name}", digests, is_stage=False)


def rates_made(path: Path) -> Iterator[Made]:
    """Yield what a run's trials were made with, as far as they say it.

    Raises:
        DataError: the file is damaged.
    """
    name, rows = _read(path)
    for row in told(rows, "made_with"):
        values = made_with(row["made_with"], path, _again(name)) if "made_with" in row else {}
        yield Made(path, values, name, command=f"rates {name}")


def _read(path: Path) -> tuple[str, list[CsvRow]]:
    name = path.stem.removesuffix(BY_K)
    return name, read_rows(path, RATES, remedy=_again(name))


def _again(name: str) -> str:
    return f"run `python -m stages.rates {name}`"


def told(rows: Sequence[CsvRow], *columns: str) -> list[CsvRow]:
    """Return the different values of some columns of a file, without those that it lacks."""
    each = [tuple((key, row[key]) for key in columns if key in row) for row in rows]
    return [dict(one) for one in dict.fromkeys(each)]


def made_with(text: str, path: Path, remedy: str) -> dict[str, Any]:
    """Return the parameters in a cell of a file of trials.

    Raises:
        DataError: it is damaged; `remedy` says what to do.
    """
    try:
        found = strict_loads(text.encode())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: made_with: {first_problem(error)}; {remedy}") from error
    if not isinstance(found, dict):
        raise DataError(
            f"{path}: made_with: {one_line(text, 60)} found, parameters by name were expected; "
            f"{remedy}"
        )
    return found


class Rate(NamedTuple):
    """How a row is fine-tuned at a K."""

    optimizer: str
    lr: float
    epochs: float

    def __str__(self) -> str:
        return f"{self.optimizer} {self.lr} x {self.epochs:g}"


@dataclass(frozen=True)
class Used:
    """How a kept row was fine-tuned at a K, beside its trials on valid.

    Attributes:
        run: the kept run's folder.
        name: the row.
        k: K.
        used: what its shots were made with; null: by section `finetune`, which older shots do not
            hold.
        valid_nats: of that on valid; null where it was not tried.
        chosen: by the kept trials; null: there are none.
    """

    run: str
    name: str
    k: int
    used: Rate | None
    valid_nats: float | None
    chosen: Rate | None

    @property
    def note(self) -> str | None:
        """Say that trials choose another value than was used; null: they do not."""
        if self.chosen is None or self.chosen == self.used:
            return None
        return (
            f"runs/{self.run}, {self.name}, K = {self.k}: shots were made with "
            f"{self.used or 'section finetune'}, tuning/{self.name}{BY_K}.csv chooses "
            f"{self.chosen}; run `python -m "
            f"stages.rates {self.name} --write` and `python -m stages.shots {self.name}` in that "
            "run to make them agree"
        )


def used_rates(study: Path) -> list[Used]:
    """Return how each row that a study keeps was fine-tuned at each K over 0.

    Raises:
        DataError: a file is damaged.
    """
    found = []
    for run, rows in kept_rows(study).items():
        for name, row in rows.items():
            path = study / "runs" / run / artifacts.tuning_file(f"{name}{BY_K}")
            trials = _read(own_file(path, study))[1] if path.is_file() else []
            found += [_used(run, name, k, row, trials) for k in sorted(row.tuned) if k]
    return found


def _used(run: str, name: str, k: int, row: ShotSums, trials: Sequence[CsvRow]) -> Used:
    at_k = (Rate(one.optimizer, one.lr, one.epochs) for one in row.by_k if one.k == k)
    used = next(at_k, None) or _of_section(row)
    own = {
        Rate(trial["optimizer"], float(trial["lr"]), float(trial["epochs"])): trial
        for trial in trials
        if float(trial["k"]) == k
    }
    chosen = next((at for at, trial in own.items() if trial["chosen"] == "true"), None)
    nats = None if used is None or used not in own else float(own[used]["valid_nats"])
    return Used(run, name, k, used, nats, chosen)


def _of_section(row: ShotSums) -> Rate | None:
    said: Mapping[str, Any] = row.made_from.params.get("finetune", {}) if row.made_from else {}
    if not {"optimizer", "lr", "epochs"} <= said.keys():
        return None
    return Rate(said["optimizer"], said["lr"], said["epochs"][-1])
