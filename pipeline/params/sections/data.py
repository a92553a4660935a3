"""Sections of the data stages: `data`, `tasks`, `base`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.params.sections.section import Count, Natural, Positive, Section, Sha256, Weight


Share = Annotated[float, Field(gt=0, lt=1)]


def _is_url(source: str | None) -> bool:
    return source is not None and source.startswith(("http://", "https://"))


class People(Section):
    """How many persons each split of the synthetic corpus has."""

    train: Count
    valid: Count
    test: Count


class Synthetic(Section):
    """The synthetic corpus; read when `data.source` or `data.pretrain` is `synthetic`."""

    seed: Natural
    people: People
    dialogues: Count  # per valid and test person; training persons have about 8
    pretrain_lines: Count  # utterances of general text for pre-training the base
    # Kept runs of earlier versions lack it.
    conflict: Annotated[float, Field(ge=0, le=1)] = 0.0  # share of replies in a private code


class SplitShares(Section):
    """How people are drawn into splits that a corpus lacks."""

    valid: Share = 0.1  # of those who have two conversations or more
    test: Share = 0.1
    seed: Natural = 0

    @model_validator(mode="after")
    def _somebody_is_left(self) -> "SplitShares":
        if self.valid + self.test >= 1:
            raise ValueError("valid and test together must leave people for train")
        return self


class Data(Section):
    """Where the corpus and the pre-training text come from, and how a corpus is read.

    Kept runs of earlier versions lack how it is read: they have Persona-chat's text alone.
    """

    source: str  # synthetic | personachat | a path | a URL
    sha256: Sha256 | None
    pretrain: str | None  # null | synthetic | a path
    pretrain_sha256: Sha256 | None
    split: SplitShares = SplitShares()
    system: Literal["keep", "drop"] = "keep"  # system messages: context, or left out
    skip_broken: bool = False  # leave broken lines out and count them
    longest: Annotated[int, Field(ge=20)] | None = 1000  # characters of a turn; longer ones are cut
    pause: Positive = 8.0  # hours of silence that end a conversation of a messenger log
    dates: Literal["auto", "dmy", "mdy", "ymd"] = "auto"  # order in messenger logs
    synthetic: Synthetic

    @model_validator(mode="after")
    def _url_needs_checksum(self) -> "Data":
        if _is_url(self.source) and self.sha256 is None:
            raise ValueError("a URL as data.source needs data.sha256")
        if _is_url(self.pretrain):
            raise ValueError("data.pretrain must be null, synthetic or a path, not a URL")
        return self


class MaxPersonas(Section):
    """How many personas of each split are kept (null: all)."""

    train: Count | None
    valid: Count | None
    test: Count | None


class HeldOut(Section):
    """People of train that take the test split's place: fresh ones, for a confirmation."""

    people: Count
    dialogues: Annotated[int, Field(ge=2)]  # of each, at least
    seed: Natural


class Tasks(Section):
    """From text to persona tasks."""

    seed: Natural
    max_personas: MaxPersonas
    max_dialogues: Annotated[int, Field(ge=2)] | None = None  # of a valid or test person
    held_out: HeldOut | None = None  # null: the corpus's own test split


class Pretrain(Section):
    """Pre-training of φ from `data/pretrain.txt`; read when `base.source` is `pretrain`."""

    tokenizer: str | None  # folder with vocab.json and merges.txt; null: train one on the text
    vocab_size: Count
    num_layers: Count
    width: Count
    num_heads: Count
    context: Annotated[int, Field(ge=32)]  # tokens
    sequence_length: Count  # tokens of one packed training sequence
    batch_size: Count  # sequences
    steps: Count
    warmup_steps: Natural
    lr: Positive
    weight_decay: Weight
    holdout: Annotated[float, Field(gt=0, lt=1)]  # share of the text kept for the held-out ppl

    @model_validator(mode="after")
    def _shapes_fit(self) -> "Pretrain":
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")
        if self.sequence_length > self.context:
            raise ValueError("sequence_length is larger than context")
        return self


class Base(Section):
    """The base model φ."""

    source: str  # pretrain | a hub id | a folder | a .gguf file
    revision: str | None  # needed with a hub id
    # The two that kept runs of earlier versions lack have defaults.
    context: Annotated[int, Field(ge=32)] | None = None  # tokens of a window; null: the model's
    dtype: Literal["float32", "bfloat16"] = "float32"  # how a φ that is not trained is kept
    seed: Natural
    pretrain: Pretrain

    @model_validator(mode="after")
    def _windows_fit_what_is_pretrained(self) -> "Base":
        longest = self.pretrain.context
        if self.source == "pretrain" and self.context is not None and self.context > longest:
            raise ValueError(
                f"context is {self.context}, but base.pretrain.context {longest}; lower the first, "
                "to null for all of the second, or raise the second"
            )
        return self
