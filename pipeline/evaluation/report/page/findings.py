"""All that the report says, read from the stages' files. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from pipeline.artifacts import SPLITS
from pipeline.evaluation.report.samples.sampled import Shown
from pipeline.evaluation.schemas.base import Excerpt
from pipeline.evaluation.schemas.comparison import Comparison
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.floors import Floors
from pipeline.model.files.variant_record import VariantFile


class SplitSummary(Excerpt):
    """A split's part of `data/tasks/summary.json`."""

    personas: int


class TasksSummary(Excerpt):
    """`data/tasks/summary.json`; `leaks` holds counts by kind or by split, and shares."""

    splits: dict[str, SplitSummary]
    leaks: dict[str, dict[str, float]] = Field(default_factory=dict)


class Pretraining(Excerpt):
    """How φ was pre-trained here, and how well it predicts text that it has not seen."""

    tokens: int
    ppl_per_token: float
    ppl_unigram_per_token: float


class BaseFacts(Excerpt):
    """`models/base/base.json`."""

    source: str
    num_parameters: int
    pretraining: Pretraining | None


@dataclass(frozen=True)
class Findings:
    """What the report is made from, by variant where it is of variants."""

    tasks: TasksSummary
    base: BaseFacts
    details: Mapping[str, Details]
    kshot: Mapping[str, str]  # CSV
    floors: Floors
    comparison: Comparison
    params: Mapping[str, Any] = field(default_factory=dict)  # params.yaml as it is
    paper: Mapping[str, Any] = field(default_factory=dict)  # the preset of the paper's values
    runs: Mapping[str, Sequence[VariantFile]] = field(default_factory=dict)  # training runs
    histories: Mapping[tuple[str, int], str] = field(default_factory=dict)  # CSV by variant, seed
    shown: Shown = field(default_factory=lambda: Shown((), {}))


def facts(tasks: TasksSummary, base: BaseFacts) -> list[str]:
    """Return one sentence about the data and one about the base."""
    personas = ", ".join(f"{tasks.splits[split].personas} {split}" for split in SPLITS)
    size = f"φ has {base.num_parameters:,} parameters"
    if base.pretraining is None:
        return [f"Personas: {personas}.", f"{size} (source: {base.source})."]
    return [
        f"Personas: {personas}.",
        f"{size} and was pre-trained here on {base.pretraining.tokens:,} tokens; held-out "
        f"perplexity {base.pretraining.ppl_per_token:.2f} per token, "
        f"unigrams {base.pretraining.ppl_unigram_per_token:.2f}.",
    ]
