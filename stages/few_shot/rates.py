"""Optimizer, rate and epochs for each K, chosen on valid: `python -m stages.rates VARIANT`."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.atomic import only_run
from pipeline.errors import DivergedError, ParamsError
from pipeline.evaluation.controls.shots import at
from pipeline.evaluation.few_shot.rates import (
    RateTrial,
    at_the_edge,
    chosen,
    diverged,
    points,
    rates_csv,
    trials_of,
)
from pipeline.evaluation.few_shot.rates_file import made_from_columns
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.predict.protocols import require_k_shot
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.params import FinetuneParams, RateGrid, Settings, TuneParams
from pipeline.params.edit import put, with_values
from stages.few_shot.kshot_records import KshotRecords
from stages.shell import console
from stages.shell.arguments import VariantName


def rates(
    name: VariantName,
    write: Annotated[
        bool, typer.Option("--write", help="Put the choice into params.yaml, too.")
    ] = False,
) -> None:
    """Fine-tune on valid people's first K dialogues at every rate; print the best for each K.

    The trained model of seed `tune.seed` is read, and no test person.
    """
    settings = Settings.load()
    tune = settings.view(TuneParams).tune
    if tune.finetune is None:
        raise ParamsError("tune.finetune: missing; give the rates of sgd and adam to be tried")
    params = inputs.finetune_params(name)
    if not max(params.finetune.k, default=0):
        raise ParamsError("finetune.k: a K over 0 was expected; rates are chosen for each")
    path = artifacts.tuning_file(f"{name}_by_k")
    with only_run(path):
        own = params.model_copy(update={"seeds": [tune.seed]})
        read = inputs.read_by(name, own.seeds)
        require_k_shot(inputs.tasks_of("valid"), params.finetune, "valid")
        scored = KshotRecords()
        trials = _trials(scored, name, params, tune.finetune, tune.seed)
        best = chosen(trials)
        valid = artifacts.sha256_of(artifacts.tasks_file("valid"))
        read.refuse_changed()  # between two rates, too
        made_with = inputs.made_from(name, own)["made_with"]
        said = AdaptedFrom.of(name, params, read.digests, own.seeds, made_with)
        columns = made_from_columns(said, tune.seed, valid)
        artifacts.write_text(path, rates_csv(trials, best, seed=tune.seed, made_from=columns))
        scored.delete()
    epochs = params.finetune.epochs
    for warning in at_the_edge(best, tune.finetune, epochs):
        console.note(f"{name}, {warning}")
    line = ", ".join(
        f"{{k: {b.k}, optimizer: {b.optimizer}, lr: {b.lr}, epochs: {b.epochs}}}" for b in best
    )
    console.say(f"{path}: {len(points(tune.finetune))} rates at each K. In finetune.by_k:")
    console.say(f"  {name}: [{line}]")
    if write:
        text = artifacts.PARAMS.read_text(encoding="utf-8")
        put(with_values(text, [f"finetune.by_k.{name}=[{line}]"]))


def _trials(
    scored: KshotRecords, name: str, params: FinetuneParams, grid: RateGrid, seed: int
) -> list[RateTrial]:
    shots = [k for k in params.finetune.k if k]
    trials = []
    for optimizer, lr in points(grid):
        at_point = {"optimizer": optimizer, "lr": lr, "by_k": {}}
        tried = at(params, params.finetune.model_copy(update=at_point))
        try:
            records = scored.of(name, tried, "valid", [seed], shots)
            of_point = trials_of(records, optimizer=optimizer, lr=lr, shots=shots)
        except DivergedError:
            epochs = params.finetune.epochs
            of_point = diverged(optimizer=optimizer, lr=lr, shots=shots, epochs=epochs)
        trials += of_point
        console.say(f"{name}, {optimizer} {lr}: {_shown(of_point)}")
    return trials


def _shown(trials: list[RateTrial]) -> str:
    return ", ".join(
        f"K {t.k} x {t.epochs} " + ("diverged" if t.nats is None else f"{t.nats:.4f}")
        for t in trials
    )


if __name__ == "__main__":
    console.run(rates)
