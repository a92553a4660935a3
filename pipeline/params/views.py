"""What each stage reads of params.yaml: the fields are keys, and dvc.yaml declares the same."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.params.sections import (
    Adapters,
    Base,
    Compare,
    Count,
    Data,
    Finetune,
    Generate,
    MetaTrain,
    Natural,
    Positive,
    ReceiverTraining,
    Score,
    Section,
    SelfPlay,
    Tasks,
    Train,
    Tune,
    Variant,
)


class StageParams(Section):
    """Base of the stages' views: the fields are the keys of params.yaml that the stage reads."""


class DownloadParams(StageParams):
    """What `download` reads."""

    data: Data


class TasksParams(StageParams):
    """What `tasks` reads."""

    tasks: Tasks


class BaseParams(StageParams):
    """What `base` reads."""

    base: Base


class TrainParams(StageParams):
    """What `train` reads, besides its variant."""

    adapters: Adapters
    train: Train


class MetaTrainParams(StageParams):
    """What `meta_train` reads, besides its variant: the "Require" lines of Algorithms 1 and 2."""

    inner_lr: Positive  # α
    inner_steps: Count  # passes over the support dialogues, an update on each
    inner_dialogues: Count  # of a task's support
    inner_batch_size: Count | None  # replies of a dialogue; null: all
    outer_lr: Positive  # β
    outer_batch_size: Count  # tasks
    outer_steps: Count
    meta_gradient: Literal["exact", "first_order", "reptile"]
    adapters: Adapters
    meta_train: MetaTrain

    @model_validator(mode="after")
    def _reptile_has_no_outer_loss(self) -> "MetaTrainParams":
        rest = self.meta_train
        of_outer_loss = (rest.learn_inner_lr, rest.support_loss)
        if self.meta_gradient == "reptile" and any(of_outer_loss):
            raise ValueError(
                "meta_gradient reptile has no outer loss, so meta_train.learn_inner_lr must be "
                "false and meta_train.support_loss 0"
            )
        return self


class ReceiverParams(StageParams):
    """What `p2_receiver` reads."""

    receiver: ReceiverTraining


class SelfPlayParams(StageParams):
    """What `p2_selfplay` reads, besides its variant."""

    adapters: Adapters
    self_play: SelfPlay


class FinetuneParams(StageParams):
    """What `finetune` reads."""

    seeds: Annotated[list[Natural], Field(min_length=1)]
    finetune: Finetune
    generate: Generate


# What a variant's `set` may replace, by first part: what is read for that variant alone. Seeds are
# read so, too, but rows are compared over the same ones.
SETTABLE = {
    key
    for view in (TrainParams, MetaTrainParams, SelfPlayParams, FinetuneParams)
    for key in view.model_fields
    if key != "seeds"
}


class ScoreParams(StageParams):
    """What `score` reads."""

    score: Score


class CompareParams(StageParams):
    """What `compare` reads."""

    compare: Compare
    variants: dict[str, Variant]


class ReportParams(StageParams):
    """What `report` reads: whose files belong to the rows in force."""

    seeds: Annotated[list[Natural], Field(min_length=1)]
    variants: dict[str, Variant]


class TuneParams(StageParams):
    """What the command `tune` reads, besides what the stages read that it runs."""

    tune: Tune


class AllParams(
    DownloadParams,
    TasksParams,
    BaseParams,
    TrainParams,
    MetaTrainParams,
    ReceiverParams,
    SelfPlayParams,
    FinetuneParams,
    ScoreParams,
    CompareParams,
    TuneParams,
):
    """The whole of params.yaml."""

    variants: dict[str, Variant]

    @model_validator(mode="after")
    def _names_and_seeds_are_distinct(self) -> "AllParams":
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds must be distinct, found {self.seeds}")
        return self

    @model_validator(mode="after")
    def _claims_are_about_variants(self) -> "AllParams":
        for claim in self.compare.claims:
            for name in (claim.a, claim.b):
                if name not in self.variants:
                    raise ValueError(f"compare.claims: {name!r} is not among the variants")
        return self
