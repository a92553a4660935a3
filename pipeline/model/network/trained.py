"""A variant ready to be adapted: with the θ that training left in its folder, or untrained."""

from dataclasses import replace

from pipeline import artifacts
from pipeline.model.base.load import load_base
from pipeline.model.files.variant_record import (
    read_variant,
    refuse_other_inputs,
    refuse_other_theta,
)
from pipeline.model.network.learner import Learner, build_learner, load_theta
from pipeline.params import Adapters, Variant
from pipeline.processes.device import best_device


def load_variant(name: str, seed: int) -> Learner:
    """Load a trained variant, ready to be adapted. It cannot be differentiated twice.

    Args:
        name: the variant's name.
        seed: the seed of its training.

    Raises:
        MissingFileError: the variant has not been trained, or there is no base.
        ModelError: a file is corrupt, the tensors are not this variant's, or it was trained from
            another base.
    """
    record = read_variant(name, seed)
    refuse_other_inputs(record, tasks=False)
    refuse_other_theta(record, artifacts.model_dir(name, seed))
    learner = untrained(record.axes, record.adapters, seed)
    learner = load_theta(
        learner, artifacts.model_dir(name, seed), made_by=f"{record.method} {name} {seed}"
    )
    return replace(learner, inner_rates=record.inner_rates)


def untrained(variant: Variant, adapters: Adapters | None, seed: int) -> Learner:
    """Build a variant as it is before its training. It cannot be differentiated twice.

    Args:
        variant: the axes.
        adapters: Φ's kind, size and place; null: the variant has none.
        seed: draws the random initial values.

    Raises:
        MissingFileError: there is no base.
        ModelError: a file of it is corrupt, or it does not have the variant's format.
    """
    return build_learner(
        variant,
        adapters,
        load_base(artifacts.BASE),
        seed=seed,
        attention="sdpa",
        device=best_device(),
    )
