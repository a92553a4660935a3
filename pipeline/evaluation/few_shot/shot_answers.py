"""What `stages.shot_tests` writes: the answers to a study's claims. No torch."""

from typing import Literal

from pipeline.evaluation.few_shot.short_prompts import ShortPrompt
from pipeline.evaluation.few_shot.shots import Way
from pipeline.evaluation.schemas.base import Count, Estimate, Schema
from pipeline.evaluation.schemas.bounds import Share
from pipeline.evaluation.schemas.comparison import Answer, Equivalence


Family = Literal["claims", "claims_of_gains", "gains", "ways"]


class Side(Schema):
    """A row after K dialogues."""

    row: str
    k: int
    way: Way


class SideLevel(Schema):
    """Where a side ends: nats per token, and perplexity per word (`docs/metrics.md`)."""

    side: Side
    nats: Estimate
    ppl_per_word: Estimate | None = None  # null: no gradient steps, or words were not counted


class ShotTest(Schema):
    """A paired test of two sides, in nats per token; below 0 the first is better.

    In family `claims_of_gains` the difference is of what the K dialogues change.
    """

    family: Family
    question: str | None
    a: Side
    b: Side
    difference: Estimate
    p: Share
    p_holm: Share
    detectable: float | None  # the smallest difference that so many people show, uncorrected
    equivalence: Equivalence | None  # null: no margin
    answer: Answer


class Recovered(Schema):
    """The share of the persona text's worth that a side's dialogues bring."""

    side: Side
    share: Estimate


class PersonaText(Schema):
    """What the persona text in the prompt is worth to the base, in nats per token."""

    with_text: str  # rows
    without: str
    worth: Estimate
    recovered: list[Recovered]


class ShotTests(Schema):
    """`shot_tests.json` of a study."""

    personas: Count
    seeds: list[int]
    margin: float | None
    tests: list[ShotTest]
    levels: list[SideLevel]
    persona_text: PersonaText | None
    # What it was made from, as `kept_sums`; older ones say nothing.
    shots: dict[str, str] | None = None
    # Prompts that hold fewer than K dialogues; absent where all fit, and from older files.
    short_prompts: list[ShortPrompt] | None = None
