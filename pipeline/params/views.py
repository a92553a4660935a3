"""What each stage reads of params.yaml: the fields are keys, and dvc.yaml declares the same."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.params.sections.data import Base, Data, Tasks
from pipeline.params.sections.evaluation import Compare, Finetune, Generate, Score, Tune
from pipeline.params.sections.lists import MethodsParams, check_lists, check_scored
from pipeline.params.sections.p2bot import P2Bot, ReceiverTraining, SelfPlay
from pipeline.params.sections.section import Count, Natural, Positive, StageParams
from pipeline.params.sections.training import Adapters, MetaTrain, Train
from pipeline.params.sections.variant import Variant, VariantName


def _distinct(seeds: list[int]) -> list[int]:
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"seeds must be distinct, found {seeds}")
    return seeds


Seeds = Annotated[list[Natural], Field(min_length=1), AfterValidator(_distinct)]


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

    receiver: ReceiverTraining = Field(alias="p2bot.receiver")


class SelfPlayParams(StageParams):
    """What `p2_selfplay` reads, besides its variant."""

    adapters: Adapters
    self_play: SelfPlay = Field(alias="p2bot.self_play")


class FinetuneParams(StageParams):
    """What `finetune` reads."""

    seeds: Seeds
    finetune: Finetune
    generate: Generate


# What a variant's `set` may replace: the values that are read for that variant alone. `seeds` is
# left out, because variants are compared over the same seeds.
SETTABLE = {
    key
    for view in (TrainParams, MetaTrainParams, SelfPlayParams, FinetuneParams)
    for key in view.read_keys()
    if key != "seeds"
}

# Of these, what decides which replies are scored, and after which dialogues: rows of one table are
# of the same replies.
SAME_REPLIES = ("finetune.seed", "finetune.k", "finetune.max_folds")


class ScoreParams(StageParams):
    """What `score` reads."""

    score: Score


class ScoredParams(StageParams):
    """The rows of Table 1, in its order."""

    scored: list[VariantName]

    @model_validator(mode="after")
    def _scored_are_distinct(self) -> "ScoredParams":
        check_scored(self.scored)
        return self


class CompareParams(ScoredParams):
    """What `compare` reads."""

    compare: Compare


class ReportParams(ScoredParams, MethodsParams):
    """What `report` reads: which rows and which training runs are in force."""

    seeds: Seeds


class TuneParams(StageParams):
    """What the command `tune` reads, besides what the stages read that it runs."""

    tune: Tune


class AllParams(
    DownloadParams,
    TasksParams,
    BaseParams,
    TrainParams,
    MetaTrainParams,
    FinetuneParams,
    ScoreParams,
    CompareParams,
    ReportParams,
    TuneParams,
):
    """The whole of params.yaml."""

    variants: dict[VariantName, Variant]
    p2bot: P2Bot

    @model_validator(mode="after")
    def _lists_are_of_variants(self) -> "AllParams":
        check_lists(self, self.scored, self.variants)
        return self

    @model_validator(mode="after")
    def _rates_are_of_variants(self) -> "AllParams":
        for name in self.finetune.by_k:
            if name not in self.variants:
                raise ValueError(f"finetune.by_k: {name!r} is not among the variants")
        return self

    @model_validator(mode="after")
    def _claims_are_about_variants(self) -> "AllParams":
        for claim in self.compare.claims:
            for name in (claim.a, claim.b):
                if name not in self.variants:
                    raise ValueError(f"compare.claims: {name!r} is not among the variants")
        return self

    @model_validator(mode="after")
    def _blocks_with_phi_are_pretrained(self) -> "AllParams":
        blocks, layers = self.adapters.blocks, self.base.pretrain.num_layers
        used = any(variant.adapters for variant in self.variants.values())
        if used and self.base.source == "pretrain" and blocks != "all" and blocks[1] >= layers:
            raise ValueError(
                f"adapters.blocks: {[*blocks]}, but base.pretrain.num_layers is {layers}: there "
                f"are blocks 0 to {layers - 1}"
            )
        return self
