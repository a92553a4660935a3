"""What stage `score` writes of one variant: `metrics/VARIANT.json` and its details.

docs/metrics.md defines every number. Likelihoods are in nats per token, closing tokens counted.
"""

from typing import Literal

from pipeline.evaluation.schemas.base import Count, Estimate, Estimates, Schema
from pipeline.evaluation.schemas.made_from import ScoredFrom


Verdict = Literal[
    "none",
    "harmful",
    "not distinguishable from none",
    "gain without swap control",
    "mostly not personal",
    "not distinguishable from a stranger's",
    "partly personal",
    "personal",
]


class Table1Scores(Schema):
    """`metrics/VARIANT.json`: a variant's numbers of Table 1."""

    f1: float  # percent
    hits_at_1: float  # percent
    ppl: float


class Headline(Schema):
    """The setting that Table 1 reports."""

    split: Literal["test"]
    protocol: Literal["leave_one_out"]
    epoch: Count


class SampleSize(Schema):
    """What Table 1's numbers are computed over."""

    personas: Count
    records: Count
    seeds: list[int]  # training seeds


class Counts(SampleSize):
    """The same, with what was counted on the way."""

    dialogues_over_context: Count  # dialogues that were split into several windows


class BeforeAndAfter(Schema):
    """The NLL before and after fine-tuning on the persona's own dialogues."""

    before: Estimate
    after: Estimate


class Adaptation(Schema):
    """What fine-tuning on a persona's dialogues gives at one epoch, in nats per token.

    The swap fields are null where no stranger's support was run.
    """

    adaptation: Verdict
    gain: Estimate
    swap_gain: Estimate | None
    swap_gap: Estimate | None
    personal_share: Estimate | None  # a share, not nats; null also where there is no gain
    nats_per_token: BeforeAndAfter | None = None  # absent at epoch 0


class Scores(Adaptation):
    """What tables show of a variant; the fields of `Adaptation` are the headline epoch's."""

    headline: Headline
    counts: SampleSize
    metrics: Estimates  # at the headline epoch, pooled over replies
    before_adaptation: Estimates  # at epoch 0, pooled over replies


class ShotPoint(Schema):
    """One K of Fig. 3."""

    epoch: Count
    metrics: Estimates
    change: dict[str, Estimate] | None = None  # from K = 0; absent there
    gain_by_epoch: dict[int, Estimate] | None = None  # over K = 0; absent there


class Prompted(Schema):
    """The support dialogues in the prompt, without gradient, at one K."""

    mean_k: float  # dialogues in the prompt, mean over replies
    metrics: Estimates
    change: dict[str, Estimate]  # from K = 0
    gain: Estimate  # over K = 0
    behind_fine_tuning: Estimate  # positive: fine-tuning is better


class KShot(Schema):
    """Fig. 3 and the control without a gradient."""

    personas: Count
    personas_left_out: Count  # of Table 1's, with too few dialogues
    points: dict[int, ShotPoint]  # by K
    in_context: dict[int, Prompted] | None  # by K; null where it was not run


class AllScores(Scores):
    """Everything that is computed of a variant."""

    counts: Counts
    macro: dict[str, Estimate]  # every persona has the same weight
    change: dict[str, Estimate]  # from before adaptation
    f1_by_sample: list[float] | None  # percent, of each nucleus sample
    k_shot: KShot
    epochs: dict[int, Adaptation]  # every epoch after 0


class Details(AllScores):
    """`metrics/details/VARIANT.json`."""

    made_from: ScoredFrom
    kshot_csv: str  # SHA-256 of metrics/kshot/VARIANT.csv, which was written with it
