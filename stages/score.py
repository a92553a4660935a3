"""DVC stage `score`: Table 1's numbers of one variant, its points of Fig. 3, and the details."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.scoring.details import score_people
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import ScoreParams, Settings
from stages.shell import console


def score(
    variant: Annotated[str, typer.Argument(help="A variant with predictions.")],
) -> None:
    """Score a variant's predictions; needs no torch and no model."""
    params = Settings.load().view(ScoreParams).score
    bootstrap = Bootstrap(params.bootstrap_samples, params.seed)
    with predictions_file.people(variant) as people:
        scores = score_people(people.overview, people, bootstrap)
    artifacts.write_json(artifacts.metrics_file(variant), scores.metrics.content())
    artifacts.write_text(artifacts.kshot_file(variant), scores.kshot)
    artifacts.write_json(artifacts.details_file(variant), scores.details.content())
    shown = ", ".join(f"{name} {value:.4g}" for name, value in scores.metrics)
    console.out.print(f"{artifacts.metrics_file(variant)}: {shown}")


if __name__ == "__main__":
    console.run(score)
