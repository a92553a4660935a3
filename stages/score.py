"""DVC stage `score`: Table 1's numbers of one variant, its points of Fig. 3, and the details."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.scoring.details import report
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import ScoreParams, Settings
from stages.shell import console


def score(
    variant: Annotated[str, typer.Argument(help="A variant with predictions.")],
) -> None:
    """Score a variant's predictions; needs no torch and no model."""
    params = Settings.load().view(ScoreParams).score
    records = artifacts.read_records(
        artifacts.predictions_file(variant), Prediction, made_by=f"finetune {variant}"
    )
    found = report(records, Bootstrap(params.bootstrap_samples, params.seed))
    artifacts.write_json(artifacts.metrics_file(variant), found.metrics)
    artifacts.write_text(artifacts.kshot_file(variant), found.kshot)
    artifacts.write_json(artifacts.details_file(variant), found.details)
    shown = ", ".join(f"{name} {value:.4g}" for name, value in found.metrics.items())
    console.out.print(f"{artifacts.metrics_file(variant)}: {shown}")


if __name__ == "__main__":
    console.run(score)
