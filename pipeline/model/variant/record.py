"""`variant.json`: what one training run is, written beside its tensors."""

from pydantic import BaseModel, ConfigDict

from pipeline.params import Adapters, Variant


class VariantFile(BaseModel):
    """All that later stages need to rebuild and to account for a trained variant.

    No time, host or date: `steps`, `replies`, `tokens` and `operations` say what a run cost.
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
    inner_rates: dict[str, float | None] | None  # what fine-tuning moves, at which learned rate
    steps: int  # outer steps run
    best_step: int  # the step whose parameters were kept
    replies: int  # replies in any loss, inner or outer
    outer_replies: int  # replies in the loss that moved θ
    tokens: int  # through the network, forward
    operations: int  # multiply-adds × 2 of the matrix products, estimated (docs/paper.md)
