"""Paired tests between variants over the same personas and the same replies. No torch.

Per persona and variant one value: the metric over the persona's replies, of all training seeds
together. A test asks whether the mean of the per-persona differences could come from exchanging
the two variants persona by persona (sign flips), two-sided; Holm's correction is over the whole
family, every pair of variants by every metric. Intervals are of single differences, not corrected.

Dimensions: d, draws; p, personas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from pipeline.errors import DataError
from pipeline.evaluation.adaptation import Content, common, minus, per_persona
from pipeline.evaluation.aggregate import Array, Metric, nats_per_token
from pipeline.evaluation.bootstrap import Bootstrap, Estimate, generator
from pipeline.evaluation.metrics import f1, hits_at_1
from pipeline.evaluation.prediction import Prediction


ALPHA = 0.05  # of the whole family
EXACT_UP_TO = 12  # personas; 4,096 sign patterns
COMPARED = (nats_per_token, hits_at_1, f1)

# Sums in different order may differ in the last bits; a pattern that gives the observed mean
# again must count as one.
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class PairedTest:
    """Variant `a` against variant `b` by one metric."""

    metric: Metric
    a: str
    b: str
    personas: int
    difference: Estimate  # mean over personas of a - b, in the metric's unit
    effect_size: float | None  # d_z: mean of the differences / their standard deviation
    p: float

    def as_dict(self, p_holm: float) -> Content:
        """Return it as JSON holds it; the verdict is about `a`, at ALPHA after Holm."""
        return {
            "metric": self.metric.name,
            "a": self.a,
            "b": self.b,
            "personas": self.personas,
            "difference": self.difference.as_dict(),
            "d_z": self.effect_size,
            "p": self.p,
            "p_holm": p_holm,
            "verdict": self._verdict(p_holm),
        }

    def _verdict(self, p_holm: float) -> str:
        if p_holm >= ALPHA:
            return "not distinguishable"
        return (
            "better" if (self.difference.value < 0) == (self.metric.better == "lower") else "worse"
        )


def compare(
    headline: Mapping[str, Sequence[Prediction]], *, permutations: int, seed: int
) -> Content:
    """Test every pair of variants.

    Args:
        headline: each variant's records of Table 1, at its own headline epoch.
        permutations: sign flips drawn where there are too many personas for all patterns; also
            the bootstrap samples of the intervals.
        seed: of both.

    Raises:
        DataError: as the metrics, or two variants share no reply.
    """
    bootstrap = Bootstrap(permutations, seed)
    tests = [
        _test(metric, pair, [headline[name] for name in pair], bootstrap)
        for pair in combinations(sorted(headline), 2)
        for metric in COMPARED
    ]
    corrected = holm([test.p for test in tests])
    return {
        "alpha": ALPHA,
        "correction": "Holm over all tests",
        "tests": [test.as_dict(p) for test, p in zip(tests, corrected, strict=True)],
        "variants": sorted(headline),
    }


def _test(
    metric: Metric,
    pair: tuple[str, str],
    records: Sequence[Sequence[Prediction]],
    bootstrap: Bootstrap,
) -> PairedTest:
    a, b = common(*records)
    if not a:
        raise DataError(f"{pair[0]} and {pair[1]} share no held-out reply; run finetune for both")
    difference = minus(per_persona(metric, a), per_persona(metric, b))
    values = np.array([difference[persona] for persona in sorted(difference)])
    return PairedTest(
        metric=metric,
        a=pair[0],
        b=pair[1],
        personas=len(values),
        difference=bootstrap.mean(difference, metric.name),
        effect_size=effect_size(values),
        p=sign_flip_p(values, permutations=bootstrap.samples, seed=bootstrap.seed),
    )


def effect_size(differences: Array) -> float | None:
    """Return Cohen's d_z of paired differences, (p,); null where they do not vary."""
    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    return float(np.mean(differences) / np.std(differences, ddof=1))


def sign_flip_p(differences: Array, *, permutations: int, seed: int) -> float:
    """Return the two-sided p-value of a mean difference of 0 under exchangeable signs.

    All sign patterns for EXACT_UP_TO personas or fewer; otherwise `permutations` drawn ones, the
    observed pattern counted among them, so that p is never 0.

    Args:
        differences: one per persona, (p,).
        permutations: drawn patterns.
        seed: of the draws; the same patterns for every test with as many personas.
    """
    size = len(differences)
    exact = size <= EXACT_UP_TO
    if exact:
        signs = np.array(list(product((1.0, -1.0), repeat=size)))  # (2^p, p)
    else:
        draws = generator(seed, "sign flips").integers(0, 2, size=(permutations, size))
        signs = 2.0 * draws - 1.0  # (d, p)
    sums = np.abs(np.einsum("dp,p->d", signs, differences))
    as_extreme = int(
        np.sum(sums >= abs(np.sum(differences)) - _TOLERANCE * np.sum(np.abs(differences)))
    )
    return as_extreme / len(signs) if exact else (as_extreme + 1) / (len(signs) + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the given order."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
