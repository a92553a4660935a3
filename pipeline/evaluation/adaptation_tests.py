"""Paired tests of adaptation itself: who gains more, and more that is personal? No torch.

A level says where a variant ends; this says what fine-tuning on the person's dialogues did for it.
Per persona one value: the gain, or the swap gap, of its replies of all training seeds, in nats per
token (`adaptation.py`), at the variant's own headline epoch. Sign flips and Holm as in
`comparison.py`, in a family of their own: every pair by both quantities. About the trained models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from pipeline.evaluation.adaptation import Content, Values, common, minus, per_persona
from pipeline.evaluation.aggregate import nats_per_token
from pipeline.evaluation.bootstrap import Bootstrap
from pipeline.evaluation.comparison import ALPHA
from pipeline.evaluation.headline import headline_epoch, select
from pipeline.evaluation.paired import detectable, holm, sign_flip_p
from pipeline.evaluation.prediction import Prediction


Quantities = Mapping[str, Values]  # gain, and swap_gap where it was run


@dataclass(frozen=True)
class _Pair:
    """Variant `a` against variant `b` by one quantity."""

    quantity: str
    a: str
    b: str
    difference: Values  # of each persona that both have


def compare_adaptation(
    records: Mapping[str, Sequence[Prediction]], *, permutations: int, seed: int
) -> Content:
    """Test every pair of variants that fine-tuned at all (headline epoch over 0).

    Args:
        records: each variant's predictions, all of them.
        permutations: sign flips and bootstrap draws, as in `comparison.compare`.
        seed: of both.
    """
    bootstrap = Bootstrap(permutations, seed)
    found = {name: quantities(those) for name, those in records.items()}
    pairs = [
        _Pair(quantity, a, b, _difference(found[a][quantity], found[b][quantity]))
        for a, b in combinations(sorted(found), 2)
        for quantity in ("gain", "swap_gap")
        if quantity in found[a] and quantity in found[b]
    ]
    pairs = [pair for pair in pairs if pair.difference]
    p_values = [_p(pair, bootstrap) for pair in pairs]
    return {
        "correction": "Holm over these tests",
        "tests": [
            _test(pair, p, p_holm, bootstrap)
            for pair, p, p_holm in zip(pairs, p_values, holm(p_values), strict=True)
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


def _p(pair: _Pair, bootstrap: Bootstrap) -> float:
    return sign_flip_p(_array(pair), permutations=bootstrap.samples, seed=bootstrap.seed)


def _array(pair: _Pair) -> np.ndarray:
    return np.array([pair.difference[persona] for persona in sorted(pair.difference)])


def _test(pair: _Pair, p: float, p_holm: float, bootstrap: Bootstrap) -> Content:
    mean = bootstrap.mean(pair.difference, f"difference in {pair.quantity}")
    verdict = "not distinguishable"
    if p_holm < ALPHA:
        verdict = "larger" if mean.value > 0 else "smaller"
    return {
        "metric": pair.quantity,
        "a": pair.a,
        "b": pair.b,
        "personas": len(pair.difference),
        "difference": mean.as_dict(),
        "detectable": detectable(_array(pair), ALPHA, permutations=bootstrap.samples),
        "p": p,
        "p_holm": p_holm,
        "verdict": verdict,
    }
