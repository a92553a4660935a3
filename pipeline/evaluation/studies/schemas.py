"""The JSON files of the ConvAI2 and simulation studies: one model per file. No torch."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.schemas.base import Count, Estimate, Estimates, Schema
from pipeline.evaluation.schemas.made_from import ObservedFrom


class PersonaSums(BaseModel):
    """Two variants' sums of each persona, by metric: [metric][variant][persona][sum]."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variants: tuple[str, str]
    personas: int
    replies: int
    sums: Mapping[str, tuple[list[list[float]], list[list[float]]]]
    made_from: ObservedFrom | None = None  # absent from files of an older version


class Convai2Counts(Schema):
    """What the floors are computed over."""

    personas: Count
    dialogues: Count
    replies: Count
    train_replies: Count


class RandomFloor(Schema):
    """A ranker that scores each string at random."""

    hits_at_1: Estimate  # percent, of one draw
    expected: float  # percent, over all draws


class RankerEstimate(Schema):
    """A ranker without a language model."""

    hits_at_1: Estimate  # percent


class ReplyEstimate(Schema):
    """One reply that is said to everybody."""

    f1: Estimate  # percent
    reply: str


class Convai2Floors(Schema):
    """`artifacts.CONVAI2`, what `python -m stages.convai2` writes."""

    sha256: str  # of the archive or folder
    counts: Convai2Counts
    random: RandomFloor
    tfidf: RankerEstimate  # the query is the persona and the partner's last line
    tfidf_persona: RankerEstimate
    tfidf_partner: RankerEstimate
    constant_reply: ReplyEstimate
    frequent_words: ReplyEstimate


class ZeroShotCounts(Schema):
    """What a variant was scored on."""

    personas: Count
    replies: Count


class ZeroShotScores(Schema):
    """What `python -m stages.zero_shot` writes of one variant."""

    sha256: str  # of the archive or folder
    splits: list[str] = Field(default_factory=list)  # absent from files of an older version
    seed: int  # the training seed
    counts: ZeroShotCounts
    metrics: Estimates
    made_from: AdaptedFrom | None = None  # absent from files of an older version
