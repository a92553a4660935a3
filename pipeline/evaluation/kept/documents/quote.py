"""What a document's template may ask a study for, as text. No torch.

Each method reads a committed file, so a document that is rendered again says what the files say.
"""

from dataclasses import dataclass
from math import exp

from pipeline import artifacts
from pipeline.evaluation.kept.documents import curve, shot_tables
from pipeline.evaluation.kept.documents.tables import estimate
from pipeline.evaluation.kept.study import Study, negative
from pipeline.evaluation.report.cells import interval, number, p_value
from pipeline.evaluation.report.cost import cost_row
from pipeline.evaluation.report.formats import NATS_DIGITS, digits_of
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.schemas.comparison import OverSeeds
from pipeline.evaluation.schemas.kept import KeptTest


def compare_p(p: float) -> str:
    """Return `p = 0.012` or `p < 0.001`."""
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


@dataclass(frozen=True)
class Quoted:
    """A paired test in words: over personas, or over personas and training seeds."""

    test: KeptTest
    over_seeds: OverSeeds | None = None

    @property
    def _difference(self) -> Estimate:
        return self.test.difference if self.over_seeds is None else self.over_seeds.difference

    @property
    def difference(self) -> str:
        """The first minus the second, with its interval."""
        return interval(self._difference, digits_of(self.test.metric))

    @property
    def size(self) -> str:
        """The difference without its sign."""
        shown = self._difference
        return interval(negative(shown) if shown.value < 0 else shown, digits_of(self.test.metric))

    @property
    def holm(self) -> str:
        """Its p-value after Holm."""
        return compare_p((self.over_seeds or self.test).p_holm)

    @property
    def verdict(self) -> str:
        """What it says of the first."""
        return (self.over_seeds or self.test).verdict

    @property
    def sentence(self) -> str:
        """Difference, p-value and verdict."""
        return f"{self.difference}, {self.holm}: {self.verdict}"

    @property
    def seeds(self) -> "Quoted":
        """The same test over training seeds, too."""
        if self.test.over_seeds is None:
            raise ValueError(f"{self.test.a} and {self.test.b} were not tested over seeds")
        return Quoted(self.test, self.test.over_seeds)


@dataclass(frozen=True)
class Quote:
    """One study's numbers."""

    study: Study

    def score(self, variant: str, metric: str = "ppl", *, seeds: bool = False) -> str:
        """Return a metric after fine-tuning, with its interval."""
        return self._metric(self.study.of(variant).metrics, metric, seeds=seeds)

    def before(self, variant: str, metric: str = "ppl") -> str:
        """Return a metric at K = 0, with its interval."""
        return self._metric(self.study.of(variant).before_adaptation, metric)

    def point(self, variant: str, metric: str = "ppl") -> str:
        """Return a metric after fine-tuning, without its interval."""
        return self.score(variant, metric).split(" [")[0]

    def start(self, variant: str, metric: str = "ppl") -> str:
        """Return a metric at K = 0, without its interval."""
        return self.before(variant, metric).split(" [")[0]

    def span(self, metric: str, *variants: str) -> str:
        """Return the least and the most of a metric over some variants, or over all."""
        names = variants or tuple(self.study.details)
        estimates = [self.study.of(name).metrics.get(metric) for name in names]
        values = [one.value for one in estimates if one is not None]
        digits = digits_of(metric)
        return f"{number(min(values), digits)} to {number(max(values), digits)}"

    def gain(self, variant: str) -> str:
        """Return what the person's own dialogues gave, nats per token."""
        return interval(self.study.of(variant).gain, NATS_DIGITS)

    def swap_gain(self, variant: str) -> str:
        """Return what a stranger's dialogues gave."""
        return interval(self.study.of(variant).swap_gain, NATS_DIGITS)

    def swap_gap(self, variant: str) -> str:
        """Return how much more the person's own dialogues gave."""
        return interval(self.study.of(variant).swap_gap, NATS_DIGITS)

    def gain_at(self, variant: str, k: int) -> str:
        """Return the gain by K of the person's dialogues."""
        shots = self.study.of(variant).k_shot
        return interval(None if shots is None else shots.gain.get(k), NATS_DIGITS)

    def at_k(self, variant: str, k: int, metric: str = "ppl") -> str:
        """Return a metric at one K of Fig. 3, without its interval."""
        (row,) = (row for row in self.study.kshot[variant] if int(row["k"]) == k)
        return number(float(row[metric]), digits_of(metric))

    def shots(self, variant: str, *ks: int) -> str:
        """Return perplexity at some K of Fig. 3."""
        return " / ".join(self.at_k(variant, k) for k in ks)

    def test(self, a: str, b: str, metric: str = "nats_per_token") -> Quoted:
        """Return a test of the first minus the second."""
        return Quoted(self.study.test(a, b, metric))

    def test_at(self, k: int, a: str, b: str, metric: str = "nats_per_token") -> str:
        """Return a claim's test at one K: difference, p-value after Holm, answer."""
        claims = self.study.json(str(artifacts.COMPARISON))["at_k"]["claims"]
        asked = {"a": a, "b": b, "k": k, "metric": metric}
        (test,) = (c for c in claims if all(c[key] == value for key, value in asked.items()))
        return (
            f"{estimate(test['difference'], digits_of(metric))}, {compare_p(test['p_holm'])}: "
            f"{test['answer']}"
        )

    def tests(self, family: str = "claims") -> int:
        """Return how many tests of levels were corrected together."""
        comparison = self.study.comparison
        return comparison.families[family].tests if comparison else 0

    def times(self, variant: str, other: str) -> str:
        """Return a variant's operations over another's."""
        a, b = (cost_row(self.study.runs[name]).operations for name in (variant, other))
        return number(a / b, 2)

    def replies(self, variant: str) -> str:
        """Return the replies in any loss of a training run."""
        return f"{cost_row(self.study.runs[variant]).replies:,.0f}"

    def floor(self, name: str, metric: str) -> str:
        """Return a score that needs no learning."""
        score = self.study.floors[name][metric]
        digits = digits_of(metric)
        return estimate(score, digits) if isinstance(score, dict) else number(score, digits)

    def trial(self, variant: str, number_of: int = 1) -> str:
        """Return a trial's nats per token on valid."""
        row = self.study.trials[variant][number_of - 1]
        return number(float(row["valid_nats"]), 3)

    def epochs(self, variant: str) -> str:
        """Return a training run's replies in any loss as a share of the training replies."""
        replies = self.study.json("summary.json")["splits"]["train"]["replies"]
        return number(cost_row(self.study.runs[variant]).replies / replies, 2)

    def curve(
        self, run: str, column: str, digits: int = 2, *, exped: bool = False, since: int = 0
    ) -> str:
        """Return a column of a training run's validations: one of them, and the last."""
        rows = self.study.history(run)
        ends = [float(rows[place][column]) for place in (since, -1)]
        return " → ".join(number(exp(end) if exped else end, digits) for end in ends)

    def base(self, key: str, digits: int = 1) -> str:
        """Return a number of the base's pre-training."""
        return number(float(self.study.json("base.json")["pretraining"][key]), digits)

    def read(self, file: str, *keys: str, digits: int = 1) -> str:
        """Return an estimate or a number of another file of the study."""
        value = self.study.json(file)
        for key in keys:
            value = value[key]
        return estimate(value, digits) if isinstance(value, dict) else number(value, digits)

    def dial(self, meta: str, conflict: float, k: int) -> str:
        """Return what study `conflict` says at a setting: gain of meta-learning, p and verdict."""
        found = curve.of(self.study)
        for one in [] if found is None else found.gains:
            if (one.meta, one.conflict, one.k) == (meta, conflict, k) and one.p_holm is not None:
                gain = interval(one.gain, NATS_DIGITS, crossed=True)
                return f"{gain}, {compare_p(one.p_holm)}: {one.verdict}"
        raise ValueError(f"{meta} was not tested at {conflict} after {k} dialogues")

    @property
    def after(self) -> shot_tables.ShotQuote:
        """What the study says after K dialogues, if its claims are answered by shots."""
        found = shot_tables.tests_of(self.study)
        if found is None:
            raise ValueError(f"{self.study.name}: no {shot_tables.FILE}")
        return shot_tables.ShotQuote(found)

    def _metric(
        self, metrics: dict[str, Estimate | None], metric: str, *, seeds: bool = False
    ) -> str:
        return interval(metrics.get(metric), digits_of(metric), crossed=seeds)
