"""What the stages that train one variant share: the run that their arguments name."""

from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.learning.training.variant_run import VariantRun
from pipeline.params import MetaTrainParams, SelfPlayParams, Settings, TrainParams
from pipeline.params.methods import refuse_other_method
from stages.shell import console
from stages.shell.in_force import refuse_edited


Params = TypeVar("Params", TrainParams, MetaTrainParams, SelfPlayParams)


class Best(Protocol):
    """Where a training run was best on valid."""

    best_step: int
    step: int
    best_value: float


def run_of(stage: str, name: str, seed: int, view: type[Params]) -> tuple[VariantRun, Params]:
    """Return the run of a stage for one variant and seed, and the parameters that it reads.

    Raises:
        ParamsError: params.yaml is not valid, or has another stage train this variant.
    """
    refuse_other_method(stage, name, seed)
    settings = Settings.load()
    variant = settings.variant(name)
    params = settings.view(view, variant.set)
    return VariantRun(stage, name, seed, variant, params.adapters, params), params


def refuse_edited_run(run: VariantRun, params: Params) -> None:
    """Refuse to publish a run whose axes, parameters or code are there no longer.

    Raises:
        ParamsError: names the key and both values.
        CodeError: names the file.
    """
    now, today = run_of(run.method, run.name, run.seed, type(params))
    refuse_edited(run.variant, now.variant)
    refuse_edited(params, today)


def training_summary(
    folder: Path, best: Best, what: str = "valid loss {:.4f} nats per token"
) -> None:
    """Say where a training run's result lies and how good it was on valid."""
    kept = f"best at step {best.best_step} of {best.step}"
    said = f"{kept}, {what.format(best.best_value)}"
    console.wrote(folder, said, "history.csv in it has every step")
