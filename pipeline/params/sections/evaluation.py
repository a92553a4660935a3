"""Sections of fine-tuning, scoring and the commands: `finetune` to `compare`, and `tune`."""

from math import prod
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.params.sections.section import Count, Natural, Patterns, Positive, Section


class MaxFolds(Section):
    """How many dialogues of a persona are held out in turn (null: all)."""

    valid: Count | None
    test: Count | None


class AtK(Section):
    """How a variant is fine-tuned after K dialogues: what `python -m stages.rates` has chosen."""

    k: Count
    optimizer: Literal["sgd", "adam"]
    lr: Positive
    epochs: Count


class Finetune(Section):
    """Fine-tuning on an unseen persona, the same for every variant (Section 4.2)."""

    seed: Natural  # of folds, support draws and dialogue order; not the training seed
    optimizer: Literal["sgd", "adam"]
    lr: Positive
    batch_size: Count | None  # replies per update; null: one support dialogue
    parameters: Patterns | None = None  # that move; null: those of the variant's inner loop
    epochs: list[Natural]
    k: list[Natural]  # support dialogues of Fig. 3; empty: without it
    in_context: bool  # also score Fig. 3's queries with the support in the prompt, no gradient
    k_shot_swap: bool = False  # also fine-tune on a stranger's first K dialogues
    other_texts: bool = False  # also read queries with another persona text in the prompt
    cache: list[Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=list)  # λ; or empty
    max_folds: MaxFolds
    # By variant, what replaces optimizer, lr and epochs at a K. Kept runs of old lack it.
    by_k: dict[str, list[AtK]] = Field(default_factory=dict)

    def of(self, variant: str) -> "Finetune":
        """Return the section as it holds for one variant: `by_k` names no other."""
        own = {name: values for name, values in self.by_k.items() if name == variant}
        return self.model_copy(update={"by_k": own})

    def own_at(self, k: int) -> AtK | None:
        """Return what replaces the section's values at a K; ask the section `of` a variant."""
        return next((one for own in self.by_k.values() for one in own if one.k == k), None)

    def at(self, k: int) -> "Finetune":
        """Return the section with the values that hold at a K."""
        own = self.own_at(k)
        if own is None:
            return self
        values = {"optimizer": own.optimizer, "lr": own.lr, "epochs": [0, own.epochs]}
        return self.model_copy(update=values)

    @model_validator(mode="after")
    def _lists_are_increasing(self) -> "Finetune":
        for name in ("epochs", "k", "cache"):
            values = getattr(self, name)
            if values != sorted(set(values)):
                raise ValueError(f"{name} must be an increasing list, found {values}")
        if self.cache[:1] not in ([], [0]):
            raise ValueError("cache must start with 0, the model alone, or be empty")
        if self.epochs[:1] != [0] or self.k[:1] not in ([], [0]):
            raise ValueError(
                "epochs must start with 0, the score before adaptation, and so must k, or be empty"
            )
        for name, own in self.by_k.items():
            if len({one.k for one in own}) < len(own):
                raise ValueError(f"by_k: {name} has a K twice")
        return self


class Generate(Section):
    """Decoding (App. B: nucleus sampling)."""

    seed: Natural
    top_p: Annotated[float, Field(gt=0, le=1)]
    temperature: Positive  # logits are divided by it before the nucleus is taken
    samples: Count  # nucleus samples per reply; the first is Table 1's
    max_new_tokens: Count


# Fewer draws give no 2.5th percentile and no p-value under 0.01.
Draws = Annotated[int, Field(ge=100)]


class Score(Section):
    """Intervals over personas."""

    seed: Natural
    bootstrap_samples: Draws


class Claim(Section):
    """A question about two variants, asked before there are numbers."""

    a: str
    b: str
    question: Annotated[str, Field(min_length=1)]


class Compare(Section):
    """Paired tests between variants."""

    seed: Natural
    permutations: Draws
    margin: Positive | None = None  # of equivalence, nats per token; null: not tested
    claims: list[Claim]  # a family of tests of its own

    @model_validator(mode="after")
    def _claims_are_distinct(self) -> "Compare":
        asked = [{claim.a, claim.b} for claim in self.claims]
        for number, pair in enumerate(asked):
            if len(pair) == 1:
                raise ValueError(f"claims: {pair.pop()!r} cannot be compared with itself")
            if pair in asked[:number]:
                raise ValueError(f"claims: two are about {' and '.join(sorted(pair))}")
        return self


Values = Annotated[list[Any], Field(min_length=1)]


Rates = Annotated[list[Positive], Field(min_length=1)]


class RateGrid(Section):
    """What `python -m stages.rates` tries at each K: rates of each optimizer."""

    sgd: Rates
    adam: Rates


class Tune(Section):
    """The grids of `python -m stages.tune`, one for each way of training; no stage reads them."""

    seed: Natural  # training seed of every trial
    trials: Count  # of every variant, whatever its kind
    train: dict[str, Values]  # dotted keys of params.yaml, as in a variant's `set`
    meta_train: dict[str, Values]
    # Kept runs of earlier versions lack it; none: `rates` refuses to run.
    finetune: RateGrid | None = None

    @model_validator(mode="after")
    def _grids_hold_the_trials(self) -> "Tune":
        for name in ("train", "meta_train"):
            size = prod(len(values) for values in getattr(self, name).values())
            if size < self.trials:
                raise ValueError(f"{name} has {size} points, for {self.trials} trials")
        return self
