"""A variant on ConvAI2's validation set, not fine-tuned: `python -m stages.zero_shot VARIANT PATH`.

As the published systems of `stages.convai2` were scored: persona text and history, no gradient on
the person's dialogues, every reply counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipeline import artifacts
from pipeline.errors import ParamsError
from pipeline.evaluation.controls.zero_shot import zero_shot as predict
from pipeline.evaluation.predict.persona import PersonaJob
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.scoring.estimates import Estimator
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.convai2 import VALIDATION, ZERO_SHOT, read_tasks
from pipeline.evaluation.studies.schemas import ZeroShotCounts, ZeroShotScores
from pipeline.model.files.variant_record import read_variant
from pipeline.model.network.trained import load_variant
from pipeline.params import FinetuneParams, ScoreParams, Settings
from pipeline.params.methods import made_by
from pipeline.persona.task import PersonaTask
from pipeline.processes.journal import Journal
from pipeline.processes.workers import Jobs, Work, Workers
from stages.shell import console


SEED = 0  # of the order of candidates


@dataclass(frozen=True)
class ZeroShotWork:
    """Builds a worker's function."""

    variant: str
    seed: int
    tasks: tuple[PersonaTask, ...]
    params: FinetuneParams

    def __call__(self) -> Work[Prediction]:
        """Return the function that scores some personas."""
        learner = load_variant(self.variant, self.seed)

        def work(jobs: Jobs) -> list[list[Prediction]]:
            personas = [self.tasks[job.index] for job in jobs]
            return predict(learner, personas, self.params, seed=self.seed)

        return work


def zero_shot(
    variant: Annotated[str, typer.Argument(help="A trained variant.")],
    path: Annotated[Path, typer.Argument(help="Archive or folder, as `stages.convai2` takes it.")],
    seed: Annotated[int, typer.Option(help="Training seed.")] = 0,
    split: Annotated[
        list[str] | None, typer.Option(help="Splits to score; valid and test if none is given.")
    ] = None,
) -> None:
    """Score a trained variant on ConvAI2's validation set without fine-tuning."""
    splits = _splits(split or VALIDATION)
    settings = Settings.load()
    axes = read_variant(variant, seed, made_by=made_by(variant, seed)).axes
    params = settings.view(FinetuneParams, axes.set)
    score = settings.view(ScoreParams).score
    tasks = tuple(read_tasks(path, splits, seed=SEED))
    journal = _journal(variant, seed, path, splits, params)
    jobs = [PersonaJob(seed, "test", index, None) for index in range(len(tasks))]
    workers = Workers(ZeroShotWork(variant, seed, tasks, params), journal)
    console.note(journal.complaint)
    with console.progress(f"{variant} on {path.name}", len(jobs)) as on_done:
        records = workers.map(jobs, on_done)
    target = _target(variant, splits)
    scores = ZeroShotScores(
        sha256=artifacts.sha256_of(path),
        splits=splits,
        seed=seed,
        counts=ZeroShotCounts(personas=len(tasks), replies=len(records)),
        metrics=Estimator(Bootstrap(score.bootstrap_samples, score.seed)).micro(records),
    )
    artifacts.write_json(target, scores.content())
    journal.delete()
    console.out.print(f"{target}: {len(tasks)} personas, {len(records)} replies")


def _splits(asked: Sequence[str]) -> list[str]:
    """Return the splits asked for, in their own order, each once.

    Raises:
        ParamsError: one of them holds no validation personas, as train, or there is no such split.
    """
    for split in asked:
        if split not in VALIDATION:
            raise ParamsError(f"--split {split}: {' or '.join(VALIDATION)} was expected")
    return [split for split in VALIDATION if split in asked]


def _target(variant: str, splits: Sequence[str]) -> Path:
    """Name the result; that of a part stands beside the whole set's, not in its place."""
    part = "" if splits == [*VALIDATION] else "".join(f"-{split}" for split in splits)
    return ZERO_SHOT / f"{variant}{part}.json"


def _journal(
    variant: str, seed: int, path: Path, splits: Sequence[str], params: FinetuneParams
) -> Journal[Prediction]:
    """Return the journal of these personas: its jobs are named by their place among them."""
    needed = [artifacts.model_dir(variant, seed), artifacts.BASE, path]
    parts = {str(part): artifacts.sha256_of(part) for part in needed}
    parts |= {"splits": " ".join(splits), "params": params.model_dump_json()}
    return Journal(Prediction, f"zero-shot-{variant}", parts)


if __name__ == "__main__":
    console.run(zero_shot)
