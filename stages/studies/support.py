"""Whether the support loss falls: `python -m stages.support VARIANT`; no stage reads it."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.evaluation.controls.support_fit import falls, support_fit
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.predict.persona import PersonaJob
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.model.network.trained import load_variant
from pipeline.params import FinetuneParams, ScoreParams, Settings
from pipeline.processes.workers import Jobs, Work, Workers
from stages.shell import console
from stages.shell.progress.shown import progress


@dataclass(frozen=True)
class SupportWork:
    """Builds a worker's function; loads each seed's model once."""

    variant: str
    params: FinetuneParams

    def __call__(self) -> Work[Prediction]:
        """Return the function that fine-tunes on some personas."""
        tasks = inputs.tasks_of("test")
        learner = cache(lambda seed: load_variant(self.variant, seed))

        def work(jobs: Jobs) -> list[list[Prediction]]:
            return [
                support_fit(learner(job.seed), tasks[job.index], tasks, self.params, seed=job.seed)
                for job in jobs
            ]

        return work


def support(
    variant: Annotated[str, typer.Argument(help="A trained variant, all its seeds.")],
) -> None:
    """Fine-tune on every test persona's support and measure the loss on the support itself."""
    params = inputs.finetune_params(variant)
    score = Settings.load().view(ScoreParams).score
    read = inputs.read_by(variant, params.seeds)
    made_with = inputs.made_from(variant, params)["made_with"]
    journal = inputs.journal("support", variant, params)
    tasks = inputs.tasks_of("test")
    jobs = [PersonaJob(s, "test", index, None) for s in params.seeds for index in range(len(tasks))]
    workers = Workers(SupportWork(variant, params), journal)
    console.note(journal.complaint)
    with progress(f"{variant} on its support", len(jobs), unit="jobs") as on_done:
        records = workers.map(jobs, on_done)
    read.refuse_changed()
    target = artifacts.support_file(variant)
    fit = falls(tasks, records, params, Bootstrap(score.bootstrap_samples, score.seed))
    made_from = AdaptedFrom.of(variant, params, read.digests, params.seeds, made_with)
    fit = fit.model_copy(update={"made_from": made_from})
    artifacts.write_sealed(target, fit.content())
    journal.delete()
    console.out.print(f"{target}: {len(records)} records")


if __name__ == "__main__":
    console.run(support)
