"""DVC stage `score`: Table 1's numbers of one variant, its points of Fig. 3, and the details."""

from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.schemas.details import Details
from pipeline.evaluation.schemas.made_from import ScoredFrom
from pipeline.evaluation.scoring.details import score_people
from pipeline.evaluation.scoring.kshot import complaint
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import ScoreParams, Settings
from pipeline.progress import counted
from stages.shell import console
from stages.shell.in_force import refuse_edited
from stages.shell.progress.shown import progress


def score(
    variant: Annotated[str, typer.Argument(help="A variant with predictions.")],
) -> None:
    """Score a variant's predictions; needs no torch and no model."""
    view = Settings.load().view(ScoreParams)
    params = view.score
    bootstrap = Bootstrap(params.bootstrap_samples, params.seed)
    with (
        progress(f"score {variant}", None, unit="people") as advance,
        predictions_file.people(variant) as people,
    ):
        scores = score_people(people.overview, counted(people, advance), bootstrap)
    said = people.identity
    made_from = ScoredFrom(
        variant=variant,
        params=params.model_dump(mode="json"),
        predictions=said.sha256,
        tasks=said.tasks,
        base=said.base,
        models={int(seed): digest for seed, digest in said.models.items()},
        made_with={**said.made_with, **said.params},
    )
    refuse_edited(view, Settings.load().view(ScoreParams))
    artifacts.write_json(artifacts.metrics_file(variant), scores.metrics.content())
    artifacts.write_text(artifacts.kshot_file(variant), scores.kshot)
    kshot_csv = artifacts.sha256_of(artifacts.kshot_file(variant))
    details = Details(**scores.details.set_fields(), made_from=made_from, kshot_csv=kshot_csv)
    artifacts.write_sealed(artifacts.details_file(variant), details.content())
    shown = ", ".join(f"{name} {value:.4g}" for name, value in scores.metrics)
    look = "`python -m stages.table` shows it beside the others"
    console.wrote(artifacts.metrics_file(variant), shown, look)
    console.note(complaint(scores.details.k_shot))


if __name__ == "__main__":
    console.run(score)
