"""A trained variant from its folder: f with the θ that training left, ready to be adapted."""

from dataclasses import replace

from pipeline import artifacts
from pipeline.model.base.load import load_base
from pipeline.model.files.variant_record import (
    read_variant,
    refuse_other_inputs,
    refuse_other_theta,
)
from pipeline.model.network.learner import Learner, build_learner, load_theta
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
    learner = build_learner(
        record.axes,
        record.adapters,
        load_base(artifacts.BASE),
        seed=seed,
        attention="sdpa",
        device=best_device(),
    )
    learner = load_theta(
        learner, artifacts.model_dir(name, seed), made_by=f"{record.method} {name} {seed}"
    )
    return replace(learner, inner_rates=record.inner_rates)
