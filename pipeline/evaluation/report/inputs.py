"""What the report rests on: the files of stages score, floors and compare, parsed. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.evaluation.report.parsing import Read
from pipeline.evaluation.report.rows import Details, Interval
from pipeline.model.variant.record import VariantFile


class OverSeeds(Read):
    """A paired test that asks about other training seeds, too."""

    difference: Interval
    p_holm: float
    verdict: str


class PairedResult(Read):
    """Variant `a` against variant `b` by one metric, over the same personas."""

    metric: str
    a: str
    b: str
    question: str | None  # of the claim about the pair
    personas: int
    difference: Interval  # a - b
    p: float
    p_holm: float
    verdict: str  # about `a`
    over_seeds: OverSeeds | None = None


class Family(Read):
    """A family of tests, corrected together."""

    tests: int
    smallest_p_holm: float  # that these personas and permutations can give


class Families(Read):
    """The two of them."""

    claims: Family
    others: Family


class Comparison(Read):
    """`metrics/details/comparison.json`."""

    alpha: float
    families: Families
    tests: list[PairedResult]
    adaptation: "AdaptationTests"


class AdaptationTests(Read):
    """Its tests of gains and swap gaps, in families of their own."""

    tests: list[PairedResult]


class Prompted(Read):
    """The support dialogues in the prompt, without gradient, at one K."""

    behind_fine_tuning: Interval  # nats per token; positive: fine-tuning is better


class ShotPoint(Read):
    """One K of Fig. 3."""

    gain_by_epoch: dict[int, Interval] | None = None  # nats per token over K = 0


class Shots(Read):
    """Fig. 3's part of `metrics/details/VARIANT.json`."""

    points: dict[int, ShotPoint]
    in_context: dict[int, Prompted] | None


class ShotDetails(Read):
    """The same file, read for Fig. 3."""

    k_shot: Shots


@dataclass(frozen=True)
class Findings:
    """All that the report says, by variant where it is of variants."""

    facts: Sequence[str]  # about data and base, a sentence each
    details: Mapping[str, Details]
    shots: Mapping[str, Shots]
    kshot: Mapping[str, str]  # CSV
    floors: Mapping[str, object]
    tests: Sequence[PairedResult]
    others: Family  # of the tests that no claim asks for
    alpha: float
    adaptation_tests: Sequence[PairedResult] = ()
    runs: Mapping[str, Sequence[VariantFile]] = field(default_factory=dict)


class Personas(Read):
    """A split's part of `data/tasks/summary.json`."""

    personas: int


class Tasks(Read):
    """`data/tasks/summary.json`."""

    splits: dict[str, Personas]


class Pretraining(Read):
    """How φ was pre-trained here, and how well it predicts text that it has not seen."""

    tokens: int
    ppl_per_token: float
    ppl_unigram_per_token: float


class Base(Read):
    """`models/base/base.json`."""

    source: str
    num_parameters: int
    pretraining: Pretraining | None
