"""A fair grid search: every variant has as many trials, in a fixed order, on valid. No torch.

The criterion is the one that chooses the headline epoch: the NLL per token over the valid split's
leave-one-out records, at the best epoch.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import product
from math import inf
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipeline.errors import TrainingError
from pipeline.evaluation.few_shot.rates import edge
from pipeline.evaluation.records.headline import headline_epoch, select
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.params import Variant
from pipeline.params.line import variant_line


class TrialCost(BaseModel):
    """What a trial's training cost, as its `variant.json` counts it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int
    best_step: int
    replies: int
    outer_replies: int
    operations: int


class Trial(BaseModel):
    """One point of the grid and its result; null where training or fine-tuning diverged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    point: dict[str, Any]  # dotted keys of params.yaml
    nats: float | None  # per token on valid, closing tokens counted
    epoch: int | None  # the valid split's best
    cost: TrialCost | None


def grid(values: Mapping[str, Sequence[Any]], trials: int) -> list[dict[str, Any]]:
    """Return the first `trials` points of the grid, in order of distance from the first values.

    A point's distance is the sum of its places in the lists. Of points at one distance, the points
    that go further in the earlier keys come first. So the first point has the first value of every
    key, and the first key, the training rate, is varied most.
    """
    places = product(*(range(len(choices)) for choices in values.values()))
    ordered = sorted(places, key=lambda place: (sum(place), [-step for step in place]))
    return [
        {key: values[key][step] for key, step in zip(values, place, strict=True)}
        for place in ordered[:trials]
    ]


def criterion(records: Sequence[Prediction]) -> tuple[int, float]:
    """Return the best epoch on valid and its nats per token.

    Raises:
        DataError: as `headline_epoch`.
    """
    epoch = headline_epoch(records)
    valid = select(records, "valid", "leave_one_out", epoch=epoch)
    return epoch, float(nats_per_token.combine(nats_per_token.sums(valid)))


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the lowest valid NLL; of equal trials the first.

    Raises:
        TrainingError: every trial diverged.
    """
    lowest = min(trials, key=lambda trial: inf if trial.nats is None else trial.nats)
    if lowest.nats is None:
        raise TrainingError("every trial diverged; lower the rates of the grid in section tune")
    return lowest


def at_the_edge(chosen: Trial, values: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a warning for each number of the best trial that is an end of its key's values."""
    warnings = []
    for key, tried in values.items():
        numbers = len(tried) > 1 and all(isinstance(value, int | float) for value in tried)
        side = edge(chosen.point[key], tried) if numbers else None
        if side:
            warnings.append(f"{key} {chosen.point[key]} is the {side} of the grid; widen it")
    return warnings


def trials_csv(trials: Sequence[Trial], *, made_from: Mapping[str, str]) -> str:
    """Return a row for each trial; if it diverged `valid_nats` is inf and the rest is empty.

    `chosen` is `true` in the best trial's row alone.

    Args:
        trials: all of them.
        made_from: further columns, the same in each row, `tuned_from`.

    Raises:
        TrainingError: as `best`; so no table is written without a chosen trial.
    """
    keys = list(trials[0].point)
    text = io.StringIO(newline="")
    columns = ("trial", *keys, "valid_nats", "epoch", "chosen", *TrialCost.model_fields, *made_from)
    chosen = best(trials)
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for number, trial in enumerate(trials, start=1):
        table.writerow(
            {"trial": number, **trial.point, "epoch": trial.epoch}
            | {"valid_nats": inf if trial.nats is None else trial.nats}
            | {"chosen": "true" if trial is chosen else "false"}
            | (trial.cost.model_dump() if trial.cost else {})
            | dict(made_from)
        )
    return text.getvalue()


def tuned(name: str, variant: Variant, trial: Trial) -> str:
    """Return the line of `variants` for `NAME_tuned`: the variant with the trial's values set."""
    changed = variant.model_copy(update={"set": {**variant.set, **trial.point}})
    return variant_line(f"{name}_tuned", changed)
