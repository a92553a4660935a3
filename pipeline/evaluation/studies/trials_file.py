"""Of which run `tuning/VARIANT.csv` is: what `tune` writes of it, and whether it fits. No torch.

Each row says it: the seed, the digests of base and of training and valid people, and which
parameters made all of them; not what the trials vary, nor what they do not read. Files of older
versions say nothing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.evaluation.few_shot.rates_file import made_with, told
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom, adapting
from pipeline.evaluation.schemas.number_table import TRIALS, CsvRow, read_rows
from pipeline.params import Settings, TuneParams
from pipeline.params.stated import Made, in_force, other_params


READ = {  # by a trial, under the columns that say which
    "train": artifacts.tasks_file("train"),
    "valid": artifacts.tasks_file("valid"),
    "base": artifacts.BASE,
}
_UNREAD = ("seeds", "score", "finetune.k", "finetune.by_k")  # of a trial's criterion


def tuned_from(
    name: str, settings: Settings, inputs: Iterable[Made], digests: Mapping[Path, str]
) -> dict[str, str]:
    """Return the columns that say what a variant's trials were made from.

    Args:
        name: the variant's.
        settings: in force.
        inputs: what made tasks and base, that of earlier stages first.
        digests: of what `READ` names.
    """
    tune = settings.view(TuneParams).tune
    columns = {"seed": f"{tune.seed}"} | {key: digests[path] for key, path in READ.items()}
    values = in_force(settings, name)
    said = AdaptedFrom(variant=name, params=values, base=columns["base"], models={}, tasks=None)
    values |= adapting(said)
    for made in inputs:
        values |= made.values
    axes = f"variants.{name}"
    values[axes] = _without(values[axes], "set")  # it is in force in the other values
    for key in (*_UNREAD, *getattr(tune, values["method"])):
        values = _without(values, key)
    return columns | {"made_with": json.dumps(values, sort_keys=True)}


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return values without the one at a dotted key."""
    head, _, rest = key.partition(".")
    kept = {k: value for k, value in values.items() if k != head}
    return kept | {head: _without(values[head], rest)} if rest and head in values else kept


def is_of_run(path: Path, run: Path, settings: Settings, known: MutableMapping[Path, str]) -> bool:
    """Say whether all trials in a file of `tune` say that they are of a run.

    Args:
        path: the file.
        run: the run's folder. What is missing there is not compared.
        settings: the run's.
        known: digests of what the run's other files were made from; those found are added.

    Raises:
        DataError: the file is damaged.
    """
    for row in _origins(path):
        if len(row) <= len(READ):
            return False
        for column, place in READ.items():
            if place not in known and (run / place).exists():
                known[place] = artifacts.sha256_of(run / place)
            if known.get(place, row[column]) != row[column]:
                return False
    return all(_fits(made, settings) for made in trials_made(path))


def trials_made(path: Path) -> Iterator[Made]:
    """Yield what the trials in a file of `tune` were made with, where they say it.

    Raises:
        DataError: the file is damaged.
    """
    for row in _origins(path):
        if "made_with" in row:
            values = made_with(row["made_with"], path, _again(path))
            yield Made(path, values, path.stem, command=f"tune {path.stem}")


def _origins(path: Path) -> list[CsvRow]:
    return told(read_rows(path, TRIALS, remedy=_again(path)), *READ, "made_with")


def _again(path: Path) -> str:
    return f"run `python -m stages.tune {path.stem}`"


def _fits(made: Made, settings: Settings) -> bool:
    try:
        return other_params(settings, made) is None
    except ParamsError:  # the run has no such variant
        return False
