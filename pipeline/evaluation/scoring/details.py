"""What stage `score` writes of one variant: Table 1's numbers, Fig. 3's points, the details.

The records come person by person, and only sums are kept of them. Anyone can recompute all of it
from `predictions/VARIANT.jsonl` alone; docs/metrics.md says how.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import TABLE_1
from pipeline.evaluation.metrics.diversity import Vocabulary
from pipeline.evaluation.metrics.generation import SampleF1
from pipeline.evaluation.records.headline import no_headline_records
from pipeline.evaluation.records.metric import finite
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.details import AllScores, Counts, Headline, Table1Scores
from pipeline.evaluation.scoring.adaptation import NOT_ADAPTED, AdaptationSums
from pipeline.evaluation.scoring.cache import CacheSums
from pipeline.evaluation.scoring.differences import Differences
from pipeline.evaluation.scoring.estimates import IN_NATS, Estimator
from pipeline.evaluation.scoring.kshot import ShotSums
from pipeline.evaluation.scoring.person import Person, Records, people_of
from pipeline.evaluation.scoring.setting import SettingSums
from pipeline.evaluation.scoring.texts import TextSums
from pipeline.evaluation.statistics.bootstrap import Bootstrap


@dataclass(frozen=True)
class VariantScores:
    """The contents of the stage's three files, but for what they were made from."""

    metrics: Table1Scores
    kshot: str  # CSV
    details: AllScores


def score_variant(records: Sequence[Prediction], bootstrap: Bootstrap) -> VariantScores:
    """Score one variant's records, all of them in memory.

    Raises:
        DataError: as `score_people`.
    """
    people = (person.records for person in people_of(records))
    return score_people(Overview.of(records), people, bootstrap)


def score_people(
    overview: Overview, people: Iterable[Records], bootstrap: Bootstrap
) -> VariantScores:
    """Score one variant: test, leave-one-out, headline epoch, all seeds (Table 1).

    Args:
        overview: of all records, valid too.
        people: each person's records of test, of all seeds; one person's are in memory at a time.
        bootstrap: of the intervals.

    Raises:
        DataError: as `headline_epoch`; or a setting, or what a metric needs, is missing.
    """
    sums = _VariantSums(overview)
    for records in people:
        sums.add(Person(records))
    return sums.scores(Estimator(bootstrap))


class _VariantSums:
    """All sums over one variant's records; persons come one at a time."""

    def __init__(self, overview: Overview) -> None:
        self._headline, self._seeds = overview.headline, overview.seeds
        _check_settings(overview)
        vocabulary = Vocabulary()
        self._adapted, self._before = (SettingSums(self._seeds, vocabulary) for _ in range(2))
        self._change = Differences(IN_NATS)
        self._samples = SampleF1()
        self._windowed = 0  # dialogues over the context
        self._adaptation = AdaptationSums(overview)
        self._shots = ShotSums(overview, vocabulary)
        self._texts = TextSums(overview)
        weight = overview.cache_weight(None)
        self._cache = None if weight is None else CacheSums(weight, self._seeds)

    def add(self, person: Person) -> None:
        """Add a person."""
        adapted = person.select("leave_one_out", epoch=self._headline)
        before = person.select("leave_one_out", epoch=0)
        self._adapted.add(person, adapted)
        self._before.add(person, before)
        self._change.add(person, adapted, before)
        self._samples.add(adapted)
        self._windowed += len({record.dialogue_id for record in adapted if record.windows > 1})
        self._adaptation.add(person)
        self._shots.add(person)
        self._texts.add(person)
        if self._cache is not None:
            stranger = person.select("swap", epoch=0)
            self._cache.add(person, before, before, adapted, stranger)

    def scores(self, estimator: Estimator) -> VariantScores:
        """Return the scores of all persons so far."""
        table_1 = {m.name: self._adapted.sums(m) for m in TABLE_1}
        metrics = {n: finite(n, sums.metric.combine(sums.total)) for n, sums in table_1.items()}
        shots = self._shots.estimates(estimator)
        epochs = self._adaptation.by_epoch(estimator.bootstrap)
        details = AllScores(
            headline=Headline(split="test", protocol="leave_one_out", epoch=self._headline),
            counts=Counts(
                personas=len(self._adapted.personas),
                records=self._adapted.records,
                dialogues_over_context=self._windowed,
                seeds=self._seeds,
            ),
            metrics=estimator.micro(self._adapted),
            macro=estimator.macro(self._adapted),
            before_adaptation=estimator.micro(self._before),
            change=estimator.change(self._change, self._adapted, self._before),
            f1_by_sample=self._samples.percents(),
            k_shot=shots,
            epochs=epochs,
            cache=self._cache and self._cache.estimates(estimator.bootstrap),
            texts=self._texts.estimates(estimator.bootstrap),
            **epochs.get(self._headline, NOT_ADAPTED).set_fields(),
        )
        return VariantScores(Table1Scores(**metrics), self._shots.csv(shots.points), details)


def _check_settings(overview: Overview) -> None:
    """Refuse records of test that lack the headline epoch, or epoch 0."""
    if not overview.has("leave_one_out", epoch=overview.headline):
        raise no_headline_records(overview.headline)
    if not overview.has("leave_one_out", epoch=0):
        raise DataError("no test leave-one-out records at epoch 0; run stage finetune again")
