"""DVC stage `finetune`: adapt a variant to each unseen persona and write its predictions."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import DivergedError
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.predict.persona import PersonaJob, PersonaRun
from pipeline.evaluation.predict.protocols import without_k_shot
from pipeline.evaluation.records import predictions_file
from pipeline.evaluation.records.headline import headline_epoch
from pipeline.evaluation.records.prediction import Prediction
from pipeline.learning.finetuning.room import require_room
from pipeline.model.network.learner import Learner
from pipeline.model.network.trained import load_variant
from pipeline.model.sequences.fits import require_context
from pipeline.params import Finetune, FinetuneParams
from pipeline.processes import ranks
from pipeline.processes.device import best_device, folds_at_once
from pipeline.processes.fingerprint import code_sha256
from pipeline.processes.jobs_over_ranks import RankedJobs
from pipeline.processes.workers import Jobs, Work, Workers
from stages.shell import console
from stages.shell.in_force import refuse_edited
from stages.shell.launch import on_ranks
from stages.shell.progress.shown import progress


# Ranks tell each other of finished jobs about once a minute; a job of a large base takes longer.
PATIENCE = timedelta(hours=1)


@dataclass(frozen=True)
class FinetuneWork:
    """Builds a worker's function; loads each seed's model once, before workers are forked."""

    variant: str
    params: FinetuneParams

    def __call__(self) -> Work[Prediction]:
        """Return the function that does some jobs of one run."""
        tasks = {split: inputs.tasks_of(split) for split in ("valid", "test")}
        at_once = folds_at_once(best_device())

        @cache
        def learner(seed: int) -> Learner:
            loaded = load_variant(self.variant, seed)
            people = [person for of_split in tasks.values() for person in of_split]
            response = self.params.generate.max_new_tokens
            for of_split in tasks.values():
                require_context(of_split, loaded.encoder, response=response)
            require_room(loaded, people, self.params.finetune, at_once)
            return loaded

        for seed in self.params.seeds:
            learner(seed)

        def work(jobs: Jobs) -> list[list[Prediction]]:
            split, seed, headline = jobs[0].run
            run = PersonaRun(learner(seed), seed, tasks[split], self.params, at_once)
            personas = [tasks[split][job.index] for job in jobs]
            try:
                return run.valid(personas) if headline is None else run.test(personas, headline)
            except DivergedError as error:
                raise DivergedError(f"seed {seed}, {error}") from error

        return work


@artifacts.one_at_a_time(artifacts.predictions_file)
def finetune(
    variant: Annotated[str, typer.Argument(help="A trained variant, all its seeds.")],
) -> None:
    """Fine-tune on every unseen persona's support dialogues and predict its other replies."""
    here = ranks.here()
    params = inputs.finetune_params(variant)
    read = inputs.read_by(variant, params.seeds)
    made_from = inputs.made_from(variant, params)
    if here.size > 1:
        parts = {key: artifacts.json_text(value) for key, value in made_from.items()}
        here.agree({**parts, "code": code_sha256()})
    sizes = _sizes(params.finetune)
    journal = inputs.journal("finetune", variant, params)
    work, at_once = FinetuneWork(variant, params), folds_at_once(best_device())
    workers = (
        RankedJobs(here, work, journal, at_once=at_once)
        if here.size > 1
        else Workers(work, journal, at_once=at_once)
    )
    console.note(journal.complaint)

    def run(split: str, headline: int | None) -> list[Prediction]:
        jobs = [
            PersonaJob(seed, split, index, headline)
            for seed in params.seeds
            for index in range(sizes[split])
        ]
        title = f"{variant} on {split}"
        with progress(title, len(jobs), unit="jobs", shown=here.first) as on_done:
            return workers.map(jobs, on_done)

    valid = run("valid", None)
    headline = headline_epoch(valid)
    test = run("test", headline)
    if here.first:
        read.refuse_changed()
        refuse_edited(params, inputs.finetune_params(variant))
        path = artifacts.predictions_file(variant)
        count = predictions_file.write(variant, [*valid, *test], made_from)
        what = f"{count} records, headline epoch {headline}"
        console.wrote(path, what, "`python -m stages.samples` shows what it says")
    here.barrier()  # a journal may lie on another machine, where an earlier run had rank 0
    journal.delete(artifacts.predictions_file(variant), artifacts.identity_file(variant))


def _sizes(params: Finetune) -> dict[str, int]:
    """Return the number of personas of each split; say where Fig. 3 will be empty."""
    tasks = {split: inputs.tasks_of(split) for split in ("valid", "test")}
    if ranks.here().first and (said := without_k_shot(tasks["test"], params, "test")):
        console.note(f"{said}; without it Fig. 3 has no points")
    return {split: len(of_split) for split, of_split in tasks.items()}


if __name__ == "__main__":
    console.run(on_ranks(finetune, limit=PATIENCE))
