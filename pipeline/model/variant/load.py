"""A trained variant from its folder: what it is, and f ready to be adapted."""

from dataclasses import replace

from pydantic import ValidationError

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.model.base.load import load_base
from pipeline.model.network.learner import Learner, build_learner, load_theta
from pipeline.model.variant.record import VariantFile
from pipeline.processes.device import best_device


METHODS = ("train", "meta_train", "p2_selfplay")  # the stages that write a variant


def read_variant(name: str, seed: int, *, made_by: str | None = None) -> VariantFile:
    """Read a trained variant's `variant.json`.

    Args:
        name: the variant's.
        seed: of its training.
        made_by: the stage that writes it, with its arguments; null: whichever trains it.

    Raises:
        MissingFileError: it was not trained.
        ModelError: the file is not a variant's.
    """
    path = artifacts.model_dir(name, seed) / "variant.json"
    made_by = made_by or "` or `".join(f"{method} {name} {seed}" for method in METHODS)
    values = artifacts.read_json(path, made_by=made_by)
    try:
        return VariantFile.model_validate(values)
    except ValidationError as error:
        raise ModelError(
            f"{path}: not a variant.json of this version; run stage `{made_by}` again"
        ) from error


def load_variant(name: str, seed: int) -> Learner:
    """Load a trained variant, ready to be adapted; it will not be differentiated twice."""
    record = read_variant(name, seed)
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
