"""What stage `compare` writes: `metrics/details/comparison.json`; see docs/statistics.md."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from pipeline.errors import DataError, one_line
from pipeline.evaluation.schemas.base import Count, Estimate, Schema
from pipeline.evaluation.schemas.bounds import Share
from pipeline.evaluation.schemas.made_from import ComparedFrom


NOT_DISTINGUISHABLE: Literal["not distinguishable"] = "not distinguishable"

LevelVerdict = Literal["better", "worse", "not distinguishable"]
AdaptationVerdict = Literal["larger", "smaller", "not distinguishable"]
Answer = Literal["better", "worse", "larger", "smaller", "equivalent", "not distinguishable"]


class Equivalence(Schema):
    """Two one-sided tests that a mean difference lies within ±margin, nats per token."""

    margin: float
    p: Share
    p_holm: Share  # Holm over the tests of the family that have a margin
    equivalent: bool


class OverSeeds(Schema):
    """A paired test that covers other personas and other training seeds."""

    seeds: list[int]  # that both variants have
    difference: Estimate  # a - b
    p: Share
    p_holm: Share  # Holm over the tests of the family that have seeds
    verdict: LevelVerdict
    equivalence: Equivalence | None = None


class Interval(Schema):
    """The two ends of a 95 % interval."""

    low: float
    high: float


class Detectable(Schema):
    """The smallest mean differences that such a sample shows in 80 % of cases.

    Null where the test cannot reach the level.
    """

    uncorrected: float | None  # at alpha
    holm_first_step: float | None  # at alpha / tests of the family


class PairedTest(Schema):
    """Variant `a` against variant `b` by one metric, over the same personas."""

    metric: str
    a: str
    b: str
    question: str | None  # of the claim about the pair; null: no claim
    personas: Count
    difference: Estimate  # a - b, in the metric's unit
    p: Share
    p_holm: Share  # Holm within the family
    verdict: LevelVerdict | AdaptationVerdict  # about `a`
    equivalence: Equivalence | None = None  # null without a margin in the metric's unit
    answer: Answer | None = None  # about `a`: of all that is tested here; absent from old files


class LevelTest(PairedTest):
    """Who ends better."""

    verdict: LevelVerdict
    d_z: float | None  # null where the differences do not vary
    d_z_interval: Interval | None
    detectable: Detectable
    over_seeds: OverSeeds | None  # null below two common training seeds


class AdaptationTest(PairedTest):
    """Whose gain, or whose swap gap, is larger."""

    metric: Literal["gain", "swap_gap"]  # nats per token
    verdict: AdaptationVerdict
    detectable: float | None  # at alpha, uncorrected


class Family(Schema):
    """Tests that are corrected together."""

    tests: Count
    smallest_p_holm: Share  # that these personas and permutations can give


class Families(Schema):
    """The two families: pairs that a claim is about, and all other pairs."""

    claims: Family
    others: Family


class LevelTests(Schema):
    """The tests of levels, and what they share."""

    alpha: Share  # of a family
    correction: str
    families: Families
    intervals: str  # what each kind of interval covers
    tests: list[LevelTest]
    variants: list[str]


class AdaptationTests(Schema):
    """The tests of gains and swap gaps, in two families of their own."""

    correction: str
    families: Families
    tests: list[AdaptationTest]


class KTest(PairedTest):
    """A claim, or a variant against one of its controls, at one K; nats per token."""

    k: Count | None  # null: Table 1's setting
    metric: Literal["nats_per_token", "gain"]
    verdict: LevelVerdict
    detectable: float | None  # at alpha, uncorrected
    over_seeds: OverSeeds | None  # null below two common training seeds
    # Dialogues in the control's prompts, mean over replies; absent unless fewer than K fit.
    fitted: float | None = None


class AtK(Schema):
    """Tests at each K; the claims are a family of their own, and so are the controls.

    A control's `a` is a variant, fine-tuned at that K, and `b` what it is compared with: the same
    variant not adapted, after a stranger's dialogues, with a cache, with the dialogues in the
    prompt.
    """

    claims: list[KTest]
    controls: list[KTest]


class AllTests(LevelTests):
    """The tests of levels, of adaptation, and at each K."""

    adaptation: AdaptationTests
    at_k: AtK | None = None  # absent from old files


class Comparison(AllTests):
    """`metrics/details/comparison.json`."""

    made_from: ComparedFrom


def refuse_other_variants(tested: Collection[str], scored: Collection[str], file: Path) -> None:
    """Refuse paired tests of other variants than those that are scored.

    Raises:
        DataError: names the first variant that only one of them has.
    """
    if missing := sorted({*scored} - {*tested}):
        name = one_line(missing[0])
        what = f"compares without {name!r}, which is scored (finetune {name} makes its predictions)"
    elif more := sorted({*tested} - {*scored}):
        what = f"compares with {one_line(more[0])!r}, which is not scored"
    else:
        return
    raise DataError(f"{file}: {what}; run `python -m stages.compare` (or `dvc repro`)")
