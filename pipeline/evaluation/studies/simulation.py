"""The simulation study: how often intervals hold the truth, and tests reject it. No torch.

Each run draws n personas from a population whose truth is known (`population.py`) and asks the very
functions that score and compare. Percent of runs; with 4,000 runs the standard error is 0.35
where the percentage is 5 or 95, and 0.8 where it is 50.

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
# Standard deviations of what a training seed adds to every persona, and to each one on its own, in
# units of the spread of personas. Few seeds have been seen, so the study goes over a range.
SEED_SPREADS = (0.0, 0.1, 0.2, 0.5)
INTERACTION = 0.3
CROSSED = ("crossed", "personas_only", "pigeonhole")

Row = dict[str, float | int | str]
Ends = tuple[float, float]


@dataclass(frozen=True)
class Study:
    """How large a study is. `samples` serve bootstrap draws and sign flips alike."""

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
        """The bootstrap that is studied."""
        return Bootstrap(self.samples, self.seed)


def interval_coverage(population: Population, size: int, study: Study) -> Row:
    """Return how often the persona interval holds the truth, beside plain percentiles.

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
    shares: Row = {key: 100 * tally[key] / study.runs for key in sorted(tally)}
    for method, total in width.items():
        missed = tally[f"{method}_low"] + tally[f"{method}_high"]
        shares |= {method: 100 - 100 * missed / study.runs, f"{method}_width": total / study.runs}
    return {"population": population.name, "personas": size, **shares}


def rejection_rates(population: Population, size: int, study: Study) -> Row:
    """Return how often the paired test rejects, at 5 %, what is true and what is not.

    - exchangeable: each persona's two values change places by a coin; the test is exact.
    - mean_zero: the observed differences less their mean, skewed as they are.
    - power: differences with the mean that `detectable` states for this population; 80 is right.
    - d_z: how often its interval holds the population's.
    """
    differences = population.differences
    centred = differences - differences.mean()
    spread = float(np.std(centred))
    found = detectable_effect_size(size, ALPHA, permutations=study.samples)
    shift = 0.0 if found is None else found * spread
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
    shares: Row = {key: 100 * count / study.runs for key, count in tally.items()}
    return {"population": population.name, "personas": size, **shares}


def crossed_coverage(population: Population, size: int, spread: float, study: Study) -> Row:
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
    shares: Row = {method: 100 * tally[method] / study.runs for method in tally}
    shares |= {f"{method}_width": width[method] / study.runs for method in width}
    return {
        "population": population.name,
        "personas": size,
        "seeds": SEEDS,
        "seed_spread": spread,
        **shares,
    }


def _pigeonhole(sums: Array, population: Population, bootstrap: Bootstrap) -> Ends:
    """Return percentiles over personas and seeds drawn on their own (Owen 2007)."""
    personas, seeds = (bootstrap.weights(size) for size in sums.shape[:2])
    drawn = np.einsum("sp,pqc->sqc", personas, sums)
    found = population.combine(np.einsum("sq,sqc->sc", seeds, drawn))
    return _ends(np.percentile(found, [50 - 50 * LEVEL, 50 + 50 * LEVEL]))


def _rejects(differences: Array, study: Study) -> bool:
    return sign_flip_p(differences, permutations=study.samples, seed=study.seed) < ALPHA


def _ends(bounds: Sequence[float | None] | Array | None) -> Ends:
    if bounds is None or bounds[0] is None or bounds[1] is None:
        raise ValueError("an interval needs two personas, a crossed one two seeds")
    return float(bounds[0]), float(bounds[1])


@dataclass(frozen=True)
class Cell:
    """One row of the study; cells do not depend on each other, nor on their order."""

    table: Literal["intervals", "tests", "crossed"]
    population: Population
    personas: int
    seed_spread: float = 0.0

    def row(self, study: Study) -> Row:
        """Return the row."""
        if self.table == "crossed":
            return crossed_coverage(self.population, self.personas, self.seed_spread, study)
        rates = interval_coverage if self.table == "intervals" else rejection_rates
        return rates(self.population, self.personas, study)


def cells(observed: Sequence[Population], skewed: Sequence[Population], study: Study) -> list[Cell]:
    """Return the study's cells: all populations; seeds crossed with those of COMPARED metrics."""
    compared = {metric.name for metric in COMPARED}
    found = []
    for size in study.sizes:
        for population in [*observed, *skewed]:
            found += [Cell("intervals", population, size), Cell("tests", population, size)]
        found += [
            Cell("crossed", population, size, spread)
            for population in observed
            if population.name in compared
            for spread in SEED_SPREADS
        ]
    return found


def tabulate(cells: Sequence[Cell], rows: Sequence[Row], study: Study) -> Content:
    """Return the study as JSON holds it: its size, and the rows of each table."""
    size = {"runs": study.runs, "samples": study.samples, "seed": study.seed}
    tables: dict[str, list[Row]] = {}
    for cell, row in zip(cells, rows, strict=True):
        tables.setdefault(cell.table, []).append(row)
    return {**size, "seeds": SEEDS, "interaction": INTERACTION, **tables}
