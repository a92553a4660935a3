"""Fig. 3 as data: every metric against K, and how fast the gain comes. No torch.

K = 0 is epoch 0, K > 0 the headline epoch, or its own (`finetune.by_k`). The query dialogues are
the same at every K.
"""

import csv
import io
from collections.abc import Mapping, Sequence

from pipeline.errors import DataError
from pipeline.evaluation.metrics.all import TABLE_1
from pipeline.evaluation.metrics.diversity import Vocabulary
from pipeline.evaluation.records.metric import nats_per_token
from pipeline.evaluation.records.overview import Overview
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.records.prompted import longest_prompts
from pipeline.evaluation.schemas.details import KShot, Prompted, ShotPoint
from pipeline.evaluation.scoring.differences import Differences
from pipeline.evaluation.scoring.estimates import IN_NATS, Estimator
from pipeline.evaluation.scoring.person import Person, Records
from pipeline.evaluation.scoring.setting import SettingSums
from pipeline.evaluation.scoring.shot_controls import ShotControls


KSHOT_COLUMNS = (
    "k",
    *(f"{metric.name}{bound}" for metric in TABLE_1 for bound in ("", "_low", "_high")),
    "personas",
)


class ShotSums:
    """The sums of Fig. 3: of each K at its epoch, of its gains, and of K dialogues in the prompt.

    Raises:
        DataError: a K has no record at its epoch.
    """

    def __init__(self, overview: Overview, vocabulary: Vocabulary) -> None:
        self.personas = self.left_out = 0
        self._headline = overview.headline
        shots = overview.shots()
        self._zero = 0 in shots
        self._controls = ShotControls(overview)
        self._points = {k: _Point(k, overview, vocabulary) for k in shots}
        prompted = self._zero and overview.has("in_context")
        self._prompted = (
            {k: _Prompts(k, overview.seeds, vocabulary) for k in shots if k} if prompted else None
        )

    def add(self, person: Person) -> None:
        """Add a person's k-shot records.

        Of Table 1 is left out who has too few dialogues for the largest K and a query.
        """
        if not person.select("k_shot"):
            in_table_1 = person.select("leave_one_out", epoch=self._headline)
            self.left_out += bool(in_table_1)
            return
        self.personas += 1
        zero = person.select("k_shot", k=0, epoch=0)
        for point in self._points.values():
            point.add(person, zero)
        for k, prompts in (self._prompted or {}).items():
            prompts.add(person, zero, self._points[k].of(person))
        self._controls.add(person)

    def estimates(self, estimator: Estimator) -> KShot:
        """Return the number of personas in Fig. 3, and all metrics and gains at each K."""
        zero = self._points[0].setting if self._zero else None
        return KShot(
            personas=self.personas,
            personas_left_out=self.left_out,
            points={k: point.estimates(zero, estimator) for k, point in self._points.items()},
            in_context=None
            if self._prompted is None or zero is None
            else {k: p.estimates(zero, estimator) for k, p in self._prompted.items()},
            swap=self._controls.swap(estimator.bootstrap),
            cache=self._controls.cache(estimator.bootstrap),
            recovered=self._controls.recovered(estimator.bootstrap),
            equal_updates=self._controls.equal_updates(estimator.bootstrap),
        )

    def csv(self, points: Mapping[int, ShotPoint]) -> str:
        """Return Table 1's metrics against K.

        A cell is empty where predictions hold no candidates or no responses at that setting. The
        cells of an interval are also empty where there is a single persona.
        """
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, KSHOT_COLUMNS, lineterminator="\n")
        table.writeheader()
        for k, point in points.items():
            table.writerow(_csv_row(k, point, len(self._points[k].setting.personas)))
        return text.getvalue()


def complaint(shots: KShot) -> str:
    """Return a line that names the K at which prompts hold next to nothing; empty without any."""
    empty = {k: prompted for k, prompted in (shots.in_context or {}).items() if prompted.empty}
    if not empty:
        return ""
    held = ", ".join(f"{prompted.mean_k:.2g} at K = {k}" for k, prompted in empty.items())
    return (
        f"the prompt control is empty: the context holds {held} support dialogues on average; "
        "its numbers are those of K = 0 for half of the replies or more (raise base.context)"
    )


def _csv_row(k: int, point: ShotPoint, personas: int) -> dict[str, object]:
    row: dict[str, object] = {"k": k, "personas": personas}
    for metric in TABLE_1:
        estimate = point.metrics[metric.name]
        if estimate is not None:
            row |= {
                metric.name: estimate.value,
                f"{metric.name}_low": estimate.low,
                f"{metric.name}_high": estimate.high,
            }
    return row


class _Point:
    """One K: its metrics; for K > 0 also the change from K = 0, and the gain at each epoch."""

    def __init__(self, k: int, overview: Overview, vocabulary: Vocabulary) -> None:
        self._k = k
        self._epoch = overview.epoch_at(k)
        epochs = overview.epochs("k_shot", k=k)
        if self._epoch not in epochs:
            raise DataError(
                f"no k_shot records with k {k} at epoch {self._epoch}; run finetune again"
            )
        self.setting = SettingSums(overview.seeds, vocabulary)
        self._change = Differences(IN_NATS)
        self._gains = {epoch: Differences((nats_per_token,)) for epoch in epochs if epoch > 0}

    def of(self, person: Person) -> list[Prediction]:
        """Return a person's records at this K and its epoch."""
        return person.select("k_shot", k=self._k, epoch=self._epoch)

    def add(self, person: Person, zero: Records) -> None:
        """Add a person, who has the records `zero` at K = 0."""
        point = self.of(person)
        self.setting.add(person, point)
        if self._k:
            self._change.add(person, point, zero)
            for epoch, gain in self._gains.items():
                gain.add(person, zero, person.select("k_shot", k=self._k, epoch=epoch))

    def estimates(self, zero: SettingSums | None, estimator: Estimator) -> ShotPoint:
        """Return the point, compared with K = 0 if there is one."""
        metrics = estimator.micro(self.setting)
        if not self._k or zero is None:
            return ShotPoint(epoch=self._epoch, metrics=metrics)
        change = estimator.change(self._change, self.setting, zero)
        gains = {
            e: gain.mean(nats_per_token, estimator.bootstrap) for e, gain in self._gains.items()
        }
        return ShotPoint(epoch=self._epoch, metrics=metrics, change=change, gain_by_epoch=gains)


class _Prompts:
    """At most K support dialogues in the prompt, compared with nothing and with fine-tuning."""

    def __init__(self, k: int, seeds: Sequence[int], vocabulary: Vocabulary) -> None:
        self._k = k
        self._dialogues = self._with_all = self._with_none = 0
        self._setting = SettingSums(seeds, vocabulary)
        self._change = Differences(IN_NATS)
        self._gain, self._behind = (Differences((nats_per_token,)) for _ in range(2))

    def add(self, person: Person, zero: Records, tuned: Records) -> None:
        """Add a person, who has the records `zero` at K = 0 and `tuned` after fine-tuning."""
        prompted = longest_prompts(person.select("in_context"), zero, self._k)
        self._dialogues += sum(record.k for record in prompted)
        self._with_all += sum(record.k == self._k for record in prompted)
        self._with_none += sum(record.k == 0 for record in prompted)
        self._setting.add(person, prompted)
        self._change.add(person, prompted, zero)
        self._gain.add(person, zero, prompted)
        self._behind.add(person, prompted, tuned)

    def estimates(self, zero: SettingSums, estimator: Estimator) -> Prompted:
        """Return the comparison; differences are of nats per token."""
        return Prompted(
            mean_k=self._dialogues / self._setting.records,
            holds_all=100 * self._with_all / self._setting.records,
            empty=2 * self._with_none >= self._setting.records,
            metrics=estimator.micro(self._setting),
            change=estimator.change(self._change, self._setting, zero),
            gain=self._gain.mean(nats_per_token, estimator.bootstrap),
            behind_fine_tuning=self._behind.mean(nats_per_token, estimator.bootstrap),
        )
