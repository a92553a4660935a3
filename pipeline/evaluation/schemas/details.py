"""What stage `score` writes of one variant: `metrics/VARIANT.json` and its details.

docs/metrics.md defines every number. Likelihoods are in nats per token, closing tokens counted.
"""

from typing import Literal

from pipeline.evaluation.schemas.base import Count, Estimate, Estimates, Schema
from pipeline.evaluation.schemas.bounds import Score, Share
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

    f1: Score  # percent
    hits_at_1: Score  # percent
    ppl: Score


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


class CacheControl(Schema):
    """What a cache of the support's tokens gives the unadapted model, in nats per token."""

    weight: Share  # of the cache, chosen on valid; 0: there it does not help
    gain: Estimate
    swap_gain: Estimate | None  # with a stranger's tokens
    behind_fine_tuning: Estimate  # positive: fine-tuning is better


TextVerdict = Literal["read", "not distinguishable from not read", "a stranger's is better"]


class TextWorth(Schema):
    """How much more another prompt costs than the person's own text, in nats per token."""

    before: Estimate  # at epoch 0
    after: Estimate  # at the headline epoch


class Recovered(Schema):
    """The share of the persona text's worth that dialogues recover without it."""

    share: Estimate | None  # null unless the worth's interval lies above 0
    worth: Estimate  # NLL without text minus NLL with it at K = 0, nats per token


class Texts(Schema):
    """Other persona texts in the prompt. Fields are null where that text was not tried."""

    stranger: TextWorth | None  # NLL with a stranger's text minus NLL with the own one
    worth: TextWorth | None  # NLL without text minus NLL with the own one
    read: TextVerdict | None
    recovered: Recovered | None  # by a variant without persona text


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
    holds_all: float | None = None  # percent of replies whose prompt holds all K dialogues
    empty: bool | None = None  # whether it holds none for half of the replies or more


class ShotSwap(Schema):
    """Fine-tuning on a stranger's K dialogues, in nats per token."""

    swap_gain: Estimate  # over K = 0
    swap_gap: Estimate  # NLL after a stranger's minus NLL after the person's own


class KShot(Schema):
    """Fig. 3 and its controls. What was not run is null."""

    personas: Count
    personas_left_out: Count  # of Table 1's, with too few dialogues
    points: dict[int, ShotPoint]  # by K
    in_context: dict[int, Prompted] | None  # by K
    swap: dict[int, ShotSwap] | None = None  # by K
    cache: dict[int, CacheControl] | None = None  # by K
    recovered: dict[int, Recovered] | None = None  # by K
    equal_updates: dict[int, dict[int, Estimate]] | None = None  # gain by K × epoch, then K


class AllScores(Scores):
    """Everything that is computed of a variant."""

    counts: Counts
    macro: dict[str, Estimate]  # every persona has the same weight
    change: dict[str, Estimate]  # from before adaptation
    f1_by_sample: list[float] | None  # percent, of each nucleus sample
    k_shot: KShot
    epochs: dict[int, Adaptation]  # every epoch after 0
    cache: CacheControl | None = None  # in Table 1's setting
    texts: Texts | None = None  # in Table 1's setting


class Details(AllScores):
    """`metrics/details/VARIANT.json`."""

    made_from: ScoredFrom
    kshot_csv: str  # SHA-256 of metrics/kshot/VARIANT.csv, which was written with it
