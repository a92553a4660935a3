"""Choose a variant's rates on valid, as many trials for every variant: `python -m stages.tune`."""

from typing import Annotated, Any

import typer

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.evaluation.tuning import Trial, best, grid, trials_csv, tuned
from pipeline.params import Settings, TuneParams, read_yaml
from stages import console
from stages.trial import Run, run


_LISTS = {"trained": "train", "meta_trained": "meta_train"}  # dvc.yaml's vars, by method


def tune(
    name: Annotated[str, typer.Argument(metavar="VARIANT", help="A key of variants.")],
) -> None:
    """Run a variant's trials, write them to tuning/VARIANT.csv, print the best as a variant."""
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(TuneParams).tune
    method = _method(name)
    points = grid(getattr(params, method), params.trials)
    trials = []
    for number, point in enumerate(points, start=1):
        trials.append(run(Run(name, method, params.seed, point), settings))
        _say(f"trial {number} of {len(points)}, {_shown(point)}: {_outcome(trials[-1])}")
    path = artifacts.tuning_file(name)
    artifacts.write_text(path, trials_csv(trials))
    chosen = best(trials)
    _say(f"{path}: {len(trials)} trials; the best is number {trials.index(chosen) + 1}. As a")
    _say(f"variant (its name into {_list_of(method)} and scored of {artifacts.PIPELINE}):")
    _say(f"  {tuned(name, variant, chosen)}")


def _method(name: str) -> str:
    lists: dict[str, Any] = {}
    for part in read_yaml(artifacts.PIPELINE).get("vars", []):
        lists |= part if isinstance(part, dict) else {}
    found = [method for key, method in _LISTS.items() if name in lists.get(key, [])]
    if len(found) != 1:
        raise ParamsError(
            f"{artifacts.PIPELINE}: vars: {name!r} stands in {len(found)} of the lists "
            f"{' and '.join(_LISTS)}; put it into the one that says how it is trained"
        )
    return found[0]


def _list_of(method: str) -> str:
    return next(key for key, value in _LISTS.items() if value == method)


def _shown(point: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in point.items())


def _outcome(trial: Trial) -> str:
    if trial.nats is None:
        return "diverged"
    return f"valid {trial.nats:.4f} nats per token at epoch {trial.epoch}"


def _say(line: str) -> None:
    console.out.print(line, markup=False, highlight=False)


if __name__ == "__main__":
    console.run(tune)
