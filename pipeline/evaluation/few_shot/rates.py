"""Optimizer, rate and epochs of fine-tuning, chosen for each K on valid. No torch.

Every variant gets the same trials. A trial is an optimizer with a rate, read at every epoch of
`finetune.epochs`. The criterion is the NLL per token of Fig. 3's queries, closing tokens counted.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from math import inf

from pydantic import BaseModel, ConfigDict

from pipeline.errors import TrainingError
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.params import AtK, RateGrid


class RateTrial(BaseModel):
    """A K, an optimizer, a rate and a number of epochs, and what valid says; null: it diverged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int
    optimizer: str
    lr: float
    epochs: int
    nats: float | None


def points(grid: RateGrid) -> list[tuple[str, float]]:
    """Return the (optimizer, rate) of every trial, in the grid's order."""
    return [(name, lr) for name, rates in grid for lr in rates]


def trials_of(
    records: Sequence[Prediction], *, optimizer: str, lr: float, shots: Sequence[int]
) -> list[RateTrial]:
    """Return a trial for each K and epoch over 0 that the records have."""
    settings = sorted({(r.k, r.epoch) for r in records if r.k in shots and r.epoch > 0})
    trials = []
    for k, epoch in settings:
        own = [r for r in records if (r.k, r.epoch) == (k, epoch)]
        nats = float(nats_per_token.combine(nats_per_token.sums(own)))
        trials.append(RateTrial(k=k, optimizer=optimizer, lr=lr, epochs=epoch, nats=nats))
    return trials


def diverged(
    *, optimizer: str, lr: float, shots: Sequence[int], epochs: Sequence[int]
) -> list[RateTrial]:
    """Return the trials of a point at which a loss was not finite."""
    return [
        RateTrial(k=k, optimizer=optimizer, lr=lr, epochs=epoch, nats=None)
        for k in shots
        for epoch in epochs
        if epoch > 0
    ]


def chosen(trials: Sequence[RateTrial]) -> list[AtK]:
    """Return each K's best trial; of equal trials the first.

    Raises:
        TrainingError: at some K every trial diverged.
    """
    best = []
    for k in sorted({trial.k for trial in trials}):
        lowest = min(
            (t for t in trials if t.k == k), key=lambda t: inf if t.nats is None else t.nats
        )
        if lowest.nats is None:
            raise TrainingError(f"K = {k}: every trial diverged; lower the rates of tune.finetune")
        best.append(
            AtK.model_validate(lowest.model_dump(include={"k", "optimizer", "lr", "epochs"}))
        )
    return best


def at_the_edge(best: Sequence[AtK], grid: RateGrid, epochs: Sequence[int]) -> list[str]:
    """Return a warning for each K whose best value is the first or last of what was tried."""
    warnings = []
    for one in best:
        tried: Mapping[str, Sequence[float]] = {
            "lr": sorted(dict(grid)[one.optimizer]),
            "epochs": [epoch for epoch in epochs if epoch],
        }
        for name, values in tried.items():
            value = getattr(one, name)
            side = edge(value, values) if len(values) > 1 else None
            if side and not (name == "epochs" and side == "lowest"):
                what = f"{one.optimizer} at {name} {value}"
                warnings.append(f"K = {one.k}: {what} is the {side} that was tried; widen the grid")
    return warnings


def edge(value: float, tried: Sequence[float]) -> str | None:
    """Return `lowest` or `highest` where a value is an end of what was tried; null inside.

    >>> edge(0.3, [0.03, 0.1, 0.3])
    'highest'
    """
    if value >= max(tried):
        return "highest"
    return "lowest" if value <= min(tried) else None


def rates_csv(
    trials: Sequence[RateTrial], best: Sequence[AtK], *, seed: int, made_from: Mapping[str, str]
) -> str:
    """Return a row for each trial, by K; `valid_nats` is inf where it diverged.

    Args:
        trials: all of them.
        best: those that were chosen.
        seed: the training seed of the model that was tried.
        made_from: further columns, the same in each row, `made_from_columns`.
    """
    text = io.StringIO(newline="")
    columns = ("k", "optimizer", "lr", "epochs", "valid_nats", "chosen", "seed", *made_from)
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    kept = {(one.k, one.optimizer, one.lr, one.epochs) for one in best}
    for trial in sorted(trials, key=lambda trial: trial.k):
        place = (trial.k, trial.optimizer, trial.lr, trial.epochs)
        table.writerow(
            trial.model_dump(exclude={"nats"})
            | {"valid_nats": inf if trial.nats is None else trial.nats}
            | {"chosen": "true" if place in kept else "false", "seed": seed, **made_from}
        )
    return text.getvalue()
