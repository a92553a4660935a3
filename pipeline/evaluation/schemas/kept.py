"""What is read of a kept study's files: one model per file. No torch."""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from pipeline.evaluation.schemas.base import Estimate, Excerpt
from pipeline.evaluation.schemas.comparison import OverSeeds, PairedTest
from pipeline.evaluation.schemas.details import Scores
from pipeline.evaluation.schemas.floors import FloorScores
from pipeline.evaluation.schemas.made_from import ScoredFrom


class Shots(Excerpt):
    """By K what the person's dialogues gave, and what they give in the prompt."""

    personas: int | None = None
    gain: Mapping[int, Estimate | None] = Field(default_factory=dict)
    behind_fine_tuning: Mapping[int, Estimate] = Field(default_factory=dict)
    # Dialogues in the prompt, on average.
    prompted: Mapping[int, float] = Field(default_factory=dict)


class KeptDetails(Scores):
    """`metrics/VARIANT.json` of a study."""

    k_shot: Shots | None = None
    made_from: ScoredFrom | None = None  # absent from files of an older version
    kshot_csv: str | None = None  # SHA-256 of kshot/VARIANT.csv; absent from older files


class KeptFamily(Excerpt):
    """KeptTests that were corrected together."""

    tests: int


class KeptTest(PairedTest):
    """A paired test, of levels or of adaptation; what it could have detected is not read."""

    model_config = ConfigDict(extra="ignore")

    over_seeds: OverSeeds | None = None


class KeptTests(Excerpt):
    """KeptTests of one kind: of levels, or of adaptation."""

    families: Mapping[str, KeptFamily]
    tests: list[KeptTest]


class KeptFloors(FloorScores):
    """`floors.json` of a study; what it was made from is not read."""

    model_config = ConfigDict(extra="ignore")


class KeptRuns(Excerpt):
    """`runs.json` of a study."""

    runs: list[dict[str, Any]]


class KeptComparison(KeptTests):
    """`comparison.json` of a study."""

    alpha: float
    adaptation: KeptTests
