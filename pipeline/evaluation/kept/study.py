"""A kept study, or the working tree's metrics, as objects that documents quote. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, one_line
from pipeline.evaluation.few_shot.rates_file import BY_K
from pipeline.evaluation.kept.folder import RUNS
from pipeline.evaluation.kept.one_run import refuse_other_trials_in
from pipeline.evaluation.kept.slim import (
    asked,
    axes_of_today,
    existing,
    of_file,
    slim_comparison,
    slim_details,
)
from pipeline.evaluation.schemas.base import Estimate, parse
from pipeline.evaluation.schemas.kept import (
    KeptComparison,
    KeptDetails,
    KeptFloors,
    KeptRuns,
    KeptTest,
)
from pipeline.evaluation.schemas.number_table import (
    HISTORY,
    KSHOT,
    RATES,
    TRIALS,
    CsvRow,
    Kind,
    read_rows,
)
from pipeline.model.files.variant_record import TrainingRun
from pipeline.params import read_yaml
from pipeline.params.inputs import own_file
from pipeline.params.sections.variant import plain_name


KEPT_AGAIN = "run `python -m stages.study keep NAME --run FOLDER` again, or `git checkout` the file"
EMBEDDED = "embedded"  # the run whose metrics are the working tree's


@dataclass(frozen=True)
class Study:
    """The files of one study.

    Args:
        name: the folder's name.
        folder: the study's, or that of the working tree.
    """

    name: str
    folder: Path

    @cached_property
    def details(self) -> dict[str, KeptDetails]:
        """What was scored, by variant."""
        folder = existing(self.folder / artifacts.DETAILS, self.folder / "metrics")
        contents = {path.stem: (path, self._json(path)) for path in sorted(folder.glob("*.json"))}
        return {
            name: parse(KeptDetails, of_file(slim_details, content, path), path)
            for name, (path, content) in contents.items()
            if "headline" in content
        }

    @cached_property
    def comparison(self) -> KeptComparison | None:
        """The tests of the claims, if there are any."""
        path = existing(self.folder / artifacts.COMPARISON, self.folder / "comparison.json")
        if not path.is_file():
            return None
        pairs = of_file(asked, self.params, self.folder / artifacts.PARAMS)
        content = of_file(slim_comparison, self._json(path), path, pairs)
        return parse(KeptComparison, content, path)

    @cached_property
    def floors(self) -> dict[str, Any]:
        """What needs no learning, as the file holds it; empty where it was not measured."""
        return self._json(self._floors_file) if self._floors_file.is_file() else {}

    @property
    def table_1_floors(self) -> KeptFloors | None:
        """The floors below Table 1; None where they were not measured."""
        return parse(KeptFloors, self.floors, self._floors_file) if self.floors else None

    @property
    def _floors_file(self) -> Path:
        return existing(self.folder / artifacts.FLOORS, self.folder / "floors.json")

    @cached_property
    def kshot(self) -> dict[str, list[CsvRow]]:
        """Fig. 3's points by variant."""
        folder = existing(self.folder / artifacts.KSHOT, self.folder / "kshot")
        paths = sorted(folder.glob("*.csv"))
        for path in paths:
            self._refuse_other_points(path)
        return {path.stem: self._rows(path, KSHOT) for path in paths}

    def _refuse_other_points(self, path: Path) -> None:
        """Refuse Fig. 3's points that are not those which the details were written with."""
        one = self.details.get(path.stem)
        said = None if one is None else one.kshot_csv
        if said is not None and (now := artifacts.sha256_of(path)) != said:
            raise DataError(
                f"{path}: edited, or of another run: its SHA-256 is {now[:12]}…, the details of "
                f"{path.stem} say {one_line(said, 64)[:12]}…; {KEPT_AGAIN}"
            )

    @cached_property
    def trials(self) -> dict[str, list[CsvRow]]:
        """The trials of the tuning on valid, by variant."""
        paths = sorted((self.folder / "tuning").glob("*.csv"))
        for path in paths:
            refuse_other_trials_in(self.folder, path)
        return {p.stem: self._rows(p, RATES if p.stem.endswith(BY_K) else TRIALS) for p in paths}

    @cached_property
    def runs(self) -> dict[str, list[TrainingRun]]:
        """What each training run was, by variant."""
        path = self.folder / RUNS
        runs: dict[str, list[TrainingRun]] = {}
        records = parse(KeptRuns, self._json(path), path).runs if path.is_file() else []
        for record in records:
            run = parse(TrainingRun, of_file(_of_today, record, path), path)
            runs.setdefault(run.name, []).append(run)
        return runs

    @cached_property
    def params(self) -> dict[str, Any]:
        """Its `params.yaml`."""
        path = self.file(artifacts.PARAMS.name)
        if not path.is_file():
            return {}
        return read_yaml(path)

    @cached_property
    def run_changes(self) -> dict[str, dict[str, Any]]:
        """By kept run, the keys of params.yaml that it had with other values than the study."""
        paths = sorted(self.folder.glob("runs/[!.]*/changes.json"))
        return {path.parent.name: self._json(path) for path in paths}

    def history(self, run: str) -> list[CsvRow]:
        """Return the validations of a training run, `VARIANT-seed-SEED`."""
        return self._rows(self.file(f"history/{run}.csv"), HISTORY)

    def json(self, file: str) -> dict[str, Any]:
        """Return another file of the study."""
        return self._json(self.file(file))

    def file(self, name: str) -> Path:
        """Return the path of a file of the study; it may be missing.

        Raises:
            DataError: it lies elsewhere, or is a link to what does.
        """
        return own_file(self.folder / name, self.folder)

    def of(self, variant: str) -> KeptDetails:
        """Return what was scored of a variant.

        Raises:
            DataError: nothing was.
        """
        if variant not in self.details:
            raise DataError(f"study {self.name} has no variant {variant}")
        return self.details[variant]

    def test(self, a: str, b: str, metric: str) -> KeptTest:
        """Return a test of two variants, as `a` minus `b`.

        Raises:
            DataError: there is none.
        """
        if self.comparison is not None:
            for test in [*self.comparison.tests, *self.comparison.adaptation.tests]:
                if test.metric == metric and (test.a, test.b) == (a, b):
                    return test
                if test.metric == metric and (test.b, test.a) == (a, b):
                    return turned(test)
        raise DataError(f"study {self.name} has no test of {a} and {b} by {metric}")

    def asked(self) -> list[KeptTest]:
        """Return the tests with their questions, in the direction of the question.

        A file that is older than claims has none; `params.yaml` says what its pairs were read for.
        """
        if self.comparison is None:
            return []
        claims = self.params["compare"].get("claims", [])
        questions = {(claim["a"], claim["b"]): claim.get("question") for claim in claims}
        asked = []
        for test in [*self.comparison.tests, *self.comparison.adaptation.tests]:
            shown = turned(test) if (test.b, test.a) in questions else test
            question = questions.get((shown.a, shown.b), test.question)
            asked.append(shown.model_copy(update={"question": question}))
        return asked

    def _json(self, path: Path) -> dict[str, Any]:
        return artifacts.read_json(own_file(path, self.folder), made_by="score")

    def _rows(self, path: Path, kind: Kind) -> list[CsvRow]:
        return read_rows(own_file(path, self.folder), kind, remedy=KEPT_AGAIN)


OPPOSITE = {"better": "worse", "worse": "better", "larger": "smaller", "smaller": "larger"}


def turned(test: KeptTest) -> KeptTest:
    """Return a test as b minus a."""
    over_seeds = test.over_seeds and test.over_seeds.model_copy(
        update={
            "difference": negative(test.over_seeds.difference),
            "verdict": OPPOSITE.get(test.over_seeds.verdict, test.over_seeds.verdict),
        }
    )
    return test.model_copy(
        update={
            "a": test.b,
            "b": test.a,
            "difference": negative(test.difference),
            "verdict": OPPOSITE.get(test.verdict, test.verdict),
            "over_seeds": over_seeds,
        }
    )


def negative(estimate: Estimate) -> Estimate:
    """Return the estimate of the number with the other sign, without bounds over seeds."""
    low, high = estimate.low, estimate.high
    return Estimate(
        value=-estimate.value,
        low=None if high is None else -high,
        high=None if low is None else -low,
    )


def _of_today(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "axes": axes_of_today(record["axes"])}


def study_of(root: Path, name: str) -> Study:
    """Return a study; `embedded` is the working tree's own run. A path as a name: ValueError."""
    plain_name(name, "a study's")
    return Study(name, root if name == EMBEDDED else root / artifacts.STUDIES / name)
