"""Paired tests of adaptation itself: whose gain is larger, and whose personal part? No torch.

A level says where a variant ends. These tests say what fine-tuning on the person's dialogues did
for it. Per persona there is one value: the gain, or the swap gap, of its replies of all training
seeds, in nats per token (`scoring/adaptation.py`), at the variant's own headline epoch. Sign flips
and Holm are those of `levels.py`, in two families of their own: claims and other pairs, each by
both quantities. The tests are about the trained models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.evaluation.comparison.equivalence import answer, equivalence_p, equivalences
from pipeline.evaluation.comparison.families import Pair, corrected, describe, pairs
from pipeline.evaluation.comparison.levels import ALPHA
from pipeline.evaluation.comparison.paired import detectable, sign_flip_p
from pipeline.evaluation.records.headline import headline_epoch, select
from pipeline.evaluation.records.metric import Array, nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.comparison import (
    NOT_DISTINGUISHABLE,
    AdaptationTest,
    AdaptationTests,
    AdaptationVerdict,
    Equivalence,
)
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.persona_values import Values, common, minus, per_persona
from pipeline.params import Claim


Quantity = Literal["gain", "swap_gap"]
Quantities = Mapping[Quantity, Values]  # gain; swap_gap too where the swap was run

QUANTITIES: tuple[Quantity, ...] = ("gain", "swap_gap")


@dataclass(frozen=True)
class _Difference:
    """Variant `a` minus variant `b` by one quantity."""

    quantity: Quantity
    pair: Pair
    by_persona: Values  # of each persona that both have, nats per token

    @property
    def values(self) -> Array:
        """The differences, (p,), in the order of the personas' names."""
        return np.array([self.by_persona[persona] for persona in sorted(self.by_persona)])


def compare_adaptation(
    records: Mapping[str, Sequence[Prediction]],
    claims: Sequence[Claim] = (),
    *,
    permutations: int,
    seed: int,
    margin: float | None = None,
) -> AdaptationTests:
    """Test every pair of variants that fine-tuned at all (headline epoch over 0).

    Args:
        records: each variant's predictions, all of them.
        claims: pairs that are a family of their own.
        permutations: sign flips and bootstrap samples, as in `compare_levels`.
        seed: of both.
        margin: of equivalence, nats per token; null: not tested.
    """
    bootstrap = Bootstrap(permutations, seed)
    differences = _differences(records, claims)
    tested = [difference.pair for difference in differences]
    personas = [len(difference.by_persona) for difference in differences]
    p_values = [_p(difference, bootstrap) for difference in differences]
    corrected_p = corrected(p_values, tested)
    draws = {"permutations": permutations, "seed": seed}
    p_equivalent = [margin and equivalence_p(one.values, margin, **draws) for one in differences]
    equivalent = equivalences(p_equivalent, tested, margin, ALPHA)
    return AdaptationTests(
        correction="Holm within each family of these tests",
        families=describe(tested, personas, permutations=permutations),
        tests=[
            _test(difference, p, p_holm, equivalence, bootstrap)
            for difference, p, p_holm, equivalence in zip(
                differences, p_values, corrected_p, equivalent, strict=True
            )
        ],
    )


def _differences(
    records: Mapping[str, Sequence[Prediction]], claims: Sequence[Claim]
) -> list[_Difference]:
    """Return the difference of each pair by each quantity that both have for some persona."""
    by_variant = {name: quantities(predictions) for name, predictions in records.items()}
    differences = [
        _Difference(quantity, pair, _minus(by_variant[pair.a], by_variant[pair.b], quantity))
        for pair in pairs(by_variant, claims)
        for quantity in QUANTITIES
    ]
    return [difference for difference in differences if difference.by_persona]


def quantities(records: Sequence[Prediction]) -> Quantities:
    """Return gain and swap gap of each persona at the headline epoch; nothing at epoch 0."""
    epoch = headline_epoch(records)
    if epoch == 0:
        return {}
    before = select(records, "test", "leave_one_out", epoch=0)
    after = select(records, "test", "leave_one_out", epoch=epoch)
    swapped = select(records, "test", "swap", epoch=epoch)
    start, own = (per_persona(nats_per_token, setting) for setting in common(before, after))
    values: dict[Quantity, Values] = {"gain": minus(start, own)}
    if swapped:
        own, stranger = (per_persona(nats_per_token, setting) for setting in common(after, swapped))
        values["swap_gap"] = minus(stranger, own)
    return values


def _minus(a: Quantities, b: Quantities, quantity: Quantity) -> Values:
    values, others = a.get(quantity, {}), b.get(quantity, {})
    return {persona: values[persona] - others[persona] for persona in values if persona in others}


def _p(difference: _Difference, bootstrap: Bootstrap) -> float:
    return sign_flip_p(difference.values, permutations=bootstrap.samples, seed=bootstrap.seed)


def _test(
    difference: _Difference,
    p: float,
    p_holm: float,
    equivalence: Equivalence | None,
    bootstrap: Bootstrap,
) -> AdaptationTest:
    mean = bootstrap.mean(difference.by_persona, f"difference in {difference.quantity}")
    verdict: AdaptationVerdict = NOT_DISTINGUISHABLE
    if p_holm < ALPHA:
        verdict = "larger" if mean.value > 0 else "smaller"
    return AdaptationTest(
        metric=difference.quantity,
        a=difference.pair.a,
        b=difference.pair.b,
        question=difference.pair.question,
        personas=len(difference.by_persona),
        difference=mean,
        detectable=detectable(difference.values, ALPHA, permutations=bootstrap.samples),
        p=p,
        p_holm=p_holm,
        verdict=verdict,
        equivalence=equivalence,
        answer=answer(verdict, equivalence, None),
    )
