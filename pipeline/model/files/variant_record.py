"""`variant.json`: the record of one training run, written beside its tensors."""

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.params import Adapters, Variant


METHODS = ("train", "meta_train", "p2_selfplay")  # the stages that write a variant


class VariantFile(BaseModel):
    """All that later stages need to rebuild a trained variant and to account for it.

    It holds no time, host or date: `steps`, `replies`, `tokens` and `operations` say what a run
    cost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    method: str  # train | meta_train | p2_selfplay
    seed: int
    axes: Variant
    adapters: Adapters
    trained_parameters: int
    all_parameters: int
    dialogues: dict[str, int]  # of each split that training read
    over_context: dict[str, int]  # of them, longer than the context: split into windows
    inner_rates: dict[str, float | None] | None  # tensors that adapt: learned rates
    steps: int  # outer steps run
    best_step: int  # the step whose parameters were kept
    replies: int  # replies in any loss, inner or outer
    outer_replies: int  # replies in the loss that moved θ
    tokens: int  # through the network, forward
    operations: int  # multiply-adds × 2 of the matrix products, estimated (docs/paper.md)


def read_variant(name: str, seed: int, *, made_by: str | None = None) -> VariantFile:
    """Read a trained variant's `variant.json`.

    Args:
        name: the variant's name.
        seed: the seed of its training.
        made_by: the stage that writes the file, with its arguments. The errors name it. Null: the
            errors name every stage that trains variants.

    Raises:
        MissingFileError: the variant has not been trained.
        ModelError: the file is not a variant.json of this version.
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
