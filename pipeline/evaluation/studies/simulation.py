"""The simulation study: how often intervals hold the truth, and tests reject it. No torch.

Each run draws n personas from a population whose truth is known (`population.py`), and calls the
very functions that score and compare. Results are percent of runs. With 4,000 runs the standard
error is 0.35 where the percentage is 5 or 95, and 0.8 where it is 50.

Dimensions: p, personas of a run; q, seeds; c, a metric's sums; m, the population's personas.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Content
from pipeline.evaluation.comparison.levels import ALPHA, COMPARED
from pipeline.evaluation.comparison.paired import detectable_effect_size, effect_size, sign_flip_p
from pipeline.evaluation.records.metric import Array
from pipeline.evaluation.statistics.bootstrap import LEVEL, Bootstrap, generator
from pipeline.evaluation.statistics.seeds import bounds_of_sums
from pipeline.evaluation.studies.population import Population


SEEDS = 3
# Standard deviations of what a training seed adds to every persona (a range, since few seeds have
# been seen) and to each persona on its own, in units of the spread of personas.
SEED_SPREADS = (0.0, 0.1, 0.2, 0.5)
INTERACTION = 0.3
CROSSED = ("crossed", "personas_only", "pigeonhole")

ResultRow = dict[str, float | int | str]
Ends = tuple[float, float]


@dataclass(frozen=True)
class StudySize:
    """How large the study is. `samples` are both bootstrap samples and sign flips."""

    runs: int = 4000
    samples: int = 1000
    sizes: tuple[int, ...] = (16, 50, 100)  # the embedded run has 16
    seed: int = 0

    def draws(self, population: Population, size: int, purpose: str) -> Iterator[NDArray[np.int64]]:
        """Yield the indices of each run's personas, (p,)."""
        random = generator(self.seed, f"{purpose}/{population.name}/{size}")
        for _ in range(self.runs):
            yield random.integers(0, len(population.a), size)

    @property
    def bootstrap(self) -> Bootstrap:
        """The bootstrap that the study examines."""
        return Bootstrap(self.samples, self.seed)


def interval_coverage(population: Population, size: int, study: StudySize) -> ResultRow:
    """Return how often the persona interval holds the truth, and how often plain percentiles do.

    `low` and `high` are the runs in which the truth lies below or above the interval.
    """
    tally, width = Counter[str](), {"used": 0.0, "percentile": 0.0}
    for chosen in study.draws(population, size, "intervals"):
        rows = population.a[chosen]
        samples = study.bootstrap.resampled(rows, population.combine)
        ends = {
            "used": _ends(study.bootstrap.bounds(list(rows), population.combine, population.name)),
            "percentile": _ends(np.percentile(samples, [50 - 50 * LEVEL, 50 + 50 * LEVEL])),
        }
        for method, (low, high) in ends.items():
            tally[f"{method}_low"] += population.truth < low
            tally[f"{method}_high"] += population.truth > high
            width[method] += high - low
    shares: ResultRow = {key: 100 * tally[key] / study.runs for key in sorted(tally)}
    for method, total in width.items():
        missed = tally[f"{method}_low"] + tally[f"{method}_high"]
        shares |= {method: 100 - 100 * missed / study.runs, f"{method}_width": total / study.runs}
    return {"population": population.name, "personas": size, **shares}


def rejection_rates(population: Population, size: int, study: StudySize) -> ResultRow:
    """Return how often the paired test rejects at 5 %, without a difference and with one.

    - exchangeable: a coin decides whether a persona's two values change places; the test is exact.
    - mean_zero: the observed differences minus their mean, as skewed as observed.
    - power: differences with the mean that `detectable` states for this population; 80 is right.
    - d_z: how often its interval holds the population's d_z.
    """
    differences = population.differences
    centred = differences - differences.mean()
    spread = float(np.std(centred))
    detectable = detectable_effect_size(size, ALPHA, permutations=study.samples)
    shift = 0.0 if detectable is None else detectable * spread
    flips = generator(study.seed, f"coins/{population.name}/{size}")
    tally = Counter[str]()
    for chosen in study.draws(population, size, "tests"):
        coins = 2.0 * flips.integers(0, 2, size) - 1
        tally["exchangeable"] += _rejects(coins * differences[chosen], study)
        tally["mean_zero"] += _rejects(centred[chosen], study)
        tally["power"] += _rejects(centred[chosen] + shift, study)
        size_of_effect = effect_size(differences[chosen])
        tally["d_z"] += size_of_effect is not None and bool(
            size_of_effect.low <= differences.mean() / spread <= size_of_effect.high
        )
    shares: ResultRow = {key: 100 * count / study.runs for key, count in tally.items()}
    return {"population": population.name, "personas": size, **shares}


def crossed_coverage(
    population: Population, size: int, spread: float, study: StudySize
) -> ResultRow:
    """Return how often intervals hold the truth over all personas and all training seeds.

    `crossed` is the interval in use, `personas_only` the persona interval, `pigeonhole` the
    percentiles over resampled personas and seeds. Three seeds; `spread` as in SEED_SPREADS.
    """
    values = population.a[:, 0] / population.a[:, 1]
    unit = float(np.std(values))
    random = generator(study.seed, f"seeds/{population.name}/{size}/{spread}")
    tally, width = Counter[str](), dict.fromkeys(CROSSED, 0.0)
    for chosen in study.draws(population, size, f"crossed/{spread}"):
        effect = spread * random.normal(size=SEEDS)
        shifts = unit * (effect + INTERACTION * random.normal(size=(size, SEEDS)))
        sums = np.repeat(population.a[chosen][:, None, :], SEEDS, axis=1)  # (p, q, c)
        sums[..., 0] += shifts * sums[..., 1]
        ends = {
            "crossed": _ends(bounds_of_sums(sums, population.combine, LEVEL)),
            "personas_only": _ends(
                study.bootstrap.bounds(list(sums.sum(axis=1)), population.combine, population.name)
            ),
            "pigeonhole": _pigeonhole(sums, population, study.bootstrap),
        }
        for method, (low, high) in ends.items():
            tally[method] += low <= population.truth <= high
            width[method] += high - low
    shares: ResultRow = {method: 100 * tally[method] / study.runs for method in tally}
    shares |= {f"{method}_width": width[method] / study.runs for method in width}
    return {
        "population": population.name,
        "personas": size,
        "seeds": SEEDS,
        "seed_spread": spread,
        **shares,
    }


def _pigeonhole(sums: Array, population: Population, bootstrap: Bootstrap) -> Ends:
    """Return percentiles where personas and seeds are drawn independently (Owen 2007)."""
    personas, seeds = (bootstrap.weights(size) for size in sums.shape[:2])
    drawn = np.einsum("sp,pqc->sqc", personas, sums)
    samples = population.combine(np.einsum("sq,sqc->sc", seeds, drawn))
    return _ends(np.percentile(samples, [50 - 50 * LEVEL, 50 + 50 * LEVEL]))


def _rejects(differences: Array, study: StudySize) -> bool:
    return sign_flip_p(differences, permutations=study.samples, seed=study.seed) < ALPHA


def _ends(bounds: Sequence[float | None] | Array | None) -> Ends:
    if bounds is None or bounds[0] is None or bounds[1] is None:
        raise ValueError("an interval needs two personas, a crossed one two seeds")
    return float(bounds[0]), float(bounds[1])


@dataclass(frozen=True)
class Condition:
    """One row of the study; conditions do not depend on each other, nor on their order."""

    table: Literal["intervals", "tests", "crossed"]
    population: Population
    personas: int
    seed_spread: float = 0.0

    def row(self, study: StudySize) -> ResultRow:
        """Return the row."""
        if self.table == "crossed":
            return crossed_coverage(self.population, self.personas, self.seed_spread, study)
        rates = interval_coverage if self.table == "intervals" else rejection_rates
        return rates(self.population, self.personas, study)


def conditions(
    observed: Sequence[Population], skewed: Sequence[Population], study: StudySize
) -> list[Condition]:
    """Return the study's conditions: all populations, and seeds for populations of COMPARED."""
    compared = {metric.name for metric in COMPARED}
    planned = []
    for size in study.sizes:
        for population in [*observed, *skewed]:
            planned += [
                Condition("intervals", population, size),
                Condition("tests", population, size),
            ]
        planned += [
            Condition("crossed", population, size, spread)
            for population in observed
            if population.name in compared
            for spread in SEED_SPREADS
        ]
    return planned


def tabulate(
    conditions: Sequence[Condition], rows: Sequence[ResultRow], study: StudySize
) -> Content:
    """Return the study as JSON holds it: its size, and the rows of each table."""
    size = {"runs": study.runs, "samples": study.samples, "seed": study.seed}
    tables: dict[str, list[ResultRow]] = {}
    for condition, row in zip(conditions, rows, strict=True):
        tables.setdefault(condition.table, []).append(row)
    return {**size, "seeds": SEEDS, "interaction": INTERACTION, **tables}
