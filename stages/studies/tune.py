"""Choose a variant's rates on valid, as many trials for every variant: `python -m stages.tune`."""

from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.atomic import only_run
from pipeline.evaluation.kept.one_run import made_of_inputs
from pipeline.evaluation.studies.trials_file import READ, tuned_from
from pipeline.evaluation.studies.tuning import Trial, at_the_edge, best, grid, trials_csv, tuned
from pipeline.outs import Snapshot
from pipeline.params import Settings, TuneParams
from pipeline.params.methods import method_of
from pipeline.params.sections.lists import LISTS
from stages.shell import console
from stages.shell.arguments import VariantName
from stages.shell.trial import Run, run


def tune(
    name: VariantName,
) -> None:
    """Run a variant's trials, write them to tuning/VARIANT.csv, print the best as a variant."""
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(TuneParams).tune
    method = method_of(name)
    points = grid(getattr(params, method), params.trials)
    trials = []
    path = artifacts.tuning_file(name)
    with only_run(path):
        read = Snapshot(READ.values())
        inputs = made_of_inputs(Path())
        for number, point in enumerate(points, start=1):
            trials.append(run(Run(name, method, params.seed, point), settings))
            console.say(f"trial {number} of {len(points)}, {_shown(point)}: {_outcome(trials[-1])}")
        read.refuse_changed()  # between two trials, too
        made_from = tuned_from(name, settings, inputs, read.digests)
        artifacts.write_text(path, trials_csv(trials, made_from=made_from))
    chosen = best(trials)
    console.say(
        f"{path}: {len(trials)} trials; the best is number {trials.index(chosen) + 1}. As a"
    )
    console.say(f"variant of {artifacts.PARAMS} (its name into {LISTS[method]} and scored):")
    console.say(f"  {tuned(name, variant, chosen)}")
    for warning in at_the_edge(chosen, getattr(params, method)):
        console.note(warning)


def _shown(point: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in point.items())


def _outcome(trial: Trial) -> str:
    if trial.nats is None:
        return "diverged"
    return f"valid {trial.nats:.4f} nats per token at epoch {trial.epoch}"


if __name__ == "__main__":
    console.run(tune)
