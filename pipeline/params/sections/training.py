"""Sections of the training stages: `adapters`, `train`, `meta_train`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.params.sections.section import Count, Natural, Patterns, Positive, Section, Weight


FirstLast = Annotated[list[Natural], Field(min_length=2, max_length=2)]


def _known_kind(kind: object) -> object:
    if isinstance(kind, str) and any(name in kind for name in ("prefix", "prompt", "p_tuning")):
        raise ValueError(
            "prefixes and prompts change f at the start, so Eq. 2 does not hold for them; take "
            "bottleneck, lora or ia3"
        )
    return kind


class Adapters(Section):
    """Φ, the extra parameters: every kind leaves f unchanged at the start (Eq. 2)."""

    kind: Annotated[Literal["bottleneck", "lora", "ia3"], BeforeValidator(_known_kind)] = (
        "bottleneck"
    )
    bottleneck: Count  # width of a bottleneck (Fig. 2)
    init_std: Positive  # of the down-projection; the up-projection starts at zero
    rank: Count = 8  # of LoRA's product B A
    alpha: Positive = 16.0  # LoRA adds alpha / rank B A x
    targets: Patterns | None = None  # matrices of lora and ia3; null: see `phi/`
    blocks: Literal["all"] | FirstLast = "all"  # the first and the last with Φ

    @model_validator(mode="after")
    def _blocks_are_in_order(self) -> "Adapters":
        if self.blocks != "all" and self.blocks[0] > self.blocks[1]:
            raise ValueError(f"blocks: the first comes before the last, found {[*self.blocks]}")
        return self


class UntilFlat(Section):
    """Train until valid is flat; the stage's steps are then the most that are taken."""

    validations: Count  # so many together bring less than `gain`
    gain: Positive  # in the unit of what early stopping watches: nats per token
    decay_steps: Natural = 0  # of a cosine that follows; 0 where the rate is constant


class Loop(Section):
    """What every training loop has besides its method's own numbers."""

    warmup_steps: Natural  # linear warm-up of the learning rate
    clip: Positive  # largest gradient norm
    validate_every: Count  # steps
    patience: Count  # validations without a new best that are borne; the next one stops
    # Kept runs of earlier versions lack the two.
    schedule: Literal["constant", "cosine"] = "constant"  # of the rate after the warm-up
    until_flat: UntilFlat | None = None  # null: `steps`, or less by `patience`

    @model_validator(mode="after")
    def _a_cosine_knows_its_length(self) -> "Loop":
        decay = self.until_flat and self.until_flat.decay_steps
        if decay == 0 and self.schedule == "cosine":
            raise ValueError(
                "until_flat.decay_steps is 0, but schedule cosine needs the steps in which the "
                "rate falls to zero once valid is flat"
            )
        if decay and self.schedule == "constant":
            raise ValueError(
                f"until_flat.decay_steps is {decay}, but schedule constant has no decay; set "
                "schedule to cosine"
            )
        return self


class DialogueLoop(Loop):
    """What normal training and meta-training have in common."""

    valid_episodes: Count  # fixed (support, query) draws per valid persona
    precision: Literal["float32", "bfloat16"]  # of matrix products; parameters stay float32


class Train(DialogueLoop):
    """Normal training (Section 4.2): Adam on pooled replies."""

    lr: Positive
    batch_size: Count  # replies
    steps: Count
    probe_lr: Positive  # one SGD step, only for history's adaptation curve; selects nothing


class MetaTrain(DialogueLoop):
    """The rest of meta-training; α, β and their like are top-level keys."""

    inner_optimizer: Literal["sgd", "adam"]  # its state is fresh for every task
    inner_parameters: Patterns | None  # of what the inner loop moves; null: all of θ
    learn_inner_lr: bool  # a rate for each tensor that moves, meta-trained; α is its start
    support_loss: Weight  # added to the outer loss: the support losses' mean, each before its step

    @model_validator(mode="after")
    def _learned_rates_are_of_sgd(self) -> "MetaTrain":
        if self.learn_inner_lr and self.inner_optimizer != "sgd":
            raise ValueError(
                f"learn_inner_lr learns the rates of SGD steps, found inner_optimizer "
                f"{self.inner_optimizer}; set one of them back"
            )
        return self
