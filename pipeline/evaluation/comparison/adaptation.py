"""Paired tests of adaptation itself: who gains more, and more that is personal? No torch.

A level says where a variant ends; this says what fine-tuning on the person's dialogues did for it.
Per persona one value: the gain, or the swap gap, of its replies of all training seeds, in nats per
token (`adaptation.py`), at the variant's own headline epoch. Sign flips and Holm as in
`comparison.py`, in two families of their own: claims and other pairs, by both quantities. About the
trained models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.artifacts import Content
from pipeline.evaluation.comparison.families import Pair, corrected, describe, pairs
from pipeline.evaluation.comparison.levels import ALPHA
from pipeline.evaluation.records.headline import headline_epoch, select
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.statistics.paired import detectable, sign_flip_p
from pipeline.evaluation.statistics.persona_values import Values, common, minus, per_persona
from pipeline.params import Claim


Quantities = Mapping[str, Values]  # gain, and swap_gap where it was run


@dataclass(frozen=True)
class _Test:
    """Variant `a` against variant `b` by one quantity."""

    quantity: str
    pair: Pair
    difference: Values  # of each persona that both have


def compare_adaptation(
    records: Mapping[str, Sequence[Prediction]],
    claims: Sequence[Claim] = (),
    *,
    permutations: int,
    seed: int,
) -> Content:
    """Test every pair of variants that fine-tuned at all (headline epoch over 0).

    Args:
        records: each variant's predictions, all of them.
        claims: pairs that are a family of their own.
        permutations: sign flips and bootstrap draws, as in `comparison.compare`.
        seed: of both.
    """
    bootstrap = Bootstrap(permutations, seed)
    found = {name: quantities(those) for name, those in records.items()}
    tests = [
        _Test(quantity, pair, _difference(found[pair.a][quantity], found[pair.b][quantity]))
        for pair in pairs(found, claims)
        for quantity in ("gain", "swap_gap")
        if quantity in found[pair.a] and quantity in found[pair.b]
    ]
    tests = [test for test in tests if test.difference]
    tested = [test.pair for test in tests]
    personas = [len(test.difference) for test in tests]
    p_values = [_p(test, bootstrap) for test in tests]
    return {
        "correction": "Holm within each family of these tests",
        "families": describe(tested, personas, permutations=permutations),
        "tests": [
            _as_dict(test, p, p_holm, bootstrap)
            for test, p, p_holm in zip(tests, p_values, corrected(p_values, tested), strict=True)
        ],
    }


def quantities(records: Sequence[Prediction]) -> Quantities:
    """Return gain and swap gap of each persona at the headline epoch; nothing at epoch 0."""
    epoch = headline_epoch(records)
    if epoch == 0:
        return {}
    before = select(records, "test", "leave_one_out", epoch=0)
    after = select(records, "test", "leave_one_out", epoch=epoch)
    swapped = select(records, "test", "swap", epoch=epoch)
    start, own = (per_persona(nats_per_token, those) for those in common(before, after))
    found = {"gain": minus(start, own)}
    if swapped:
        own, stranger = (per_persona(nats_per_token, those) for those in common(after, swapped))
        found["swap_gap"] = minus(stranger, own)
    return found


def _difference(values: Values, others: Values) -> dict[str, float]:
    return {persona: values[persona] - others[persona] for persona in values if persona in others}


def _p(test: _Test, bootstrap: Bootstrap) -> float:
    return sign_flip_p(_array(test), permutations=bootstrap.samples, seed=bootstrap.seed)


def _array(test: _Test) -> np.ndarray:
    return np.array([test.difference[persona] for persona in sorted(test.difference)])


def _as_dict(test: _Test, p: float, p_holm: float, bootstrap: Bootstrap) -> Content:
    mean = bootstrap.mean(test.difference, f"difference in {test.quantity}")
    verdict = "not distinguishable"
    if p_holm < ALPHA:
        verdict = "larger" if mean.value > 0 else "smaller"
    return {
        "metric": test.quantity,
        "a": test.pair.a,
        "b": test.pair.b,
        "question": test.pair.question,
        "personas": len(test.difference),
        "difference": mean.as_dict(),
        "detectable": detectable(_array(test), ALPHA, permutations=bootstrap.samples),
        "p": p,
        "p_holm": p_holm,
        "verdict": verdict,
    }
