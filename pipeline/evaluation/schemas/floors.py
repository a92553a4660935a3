"""What stage `floors` writes: `metrics/details/floors.json`."""

from pipeline.evaluation.schemas.base import Count, Schema
from pipeline.evaluation.schemas.bounds import Score
from pipeline.evaluation.schemas.made_from import MeasuredFrom


class FloorCounts(Schema):
    """The test split."""

    personas: Count
    replies: Count


class RankerFloor(Schema):
    """A ranker without a language model."""

    hits_at_1: Score  # percent


class ReplyFloor(Schema):
    """One reply that is said to everybody."""

    f1: Score  # percent
    reply: str


class LikelihoodFloor(Schema):
    """Token probabilities without a network."""

    ppl: Score


class FloorScores(Schema):
    """All floors; `pipeline/evaluation/floors/` says how each is measured."""

    counts: FloorCounts
    random: RankerFloor
    tfidf: RankerFloor  # the query is the persona and the partner's last line
    tfidf_persona: RankerFloor
    tfidf_partner: RankerFloor
    constant_reply: ReplyFloor
    frequent_words: ReplyFloor
    unigram: LikelihoodFloor
    oracle: LikelihoodFloor | None  # the synthetic grammar; null for a corpus that people wrote


class Floors(FloorScores):
    """`metrics/details/floors.json`."""

    made_from: MeasuredFrom
