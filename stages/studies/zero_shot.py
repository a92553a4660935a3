"""A variant on ConvAI2's validation set, not fine-tuned: `python -m stages.zero_shot VARIANT PATH`.

As the published systems of `stages.convai2` were scored: persona text and history, no gradient on
the person's dialogues, every reply counted. `--untrained` scores the variant as it is before its
training: what the base can do in that format.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import artifacts
from pipeline.evaluation.controls.zero_shot import zero_shot as predict
from pipeline.evaluation.kept.one_run import made_of_inputs
from pipeline.evaluation.predict.persona import PersonaJob
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.scoring.estimates import Estimator
from pipeline.evaluation.scoring.setting import SettingSums
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.convai2 import (
    VALIDATION,
    ZERO_SHOT,
    Start,
    read_tasks,
    validation_splits,
)
from pipeline.evaluation.studies.schemas import ZeroShotCounts, ZeroShotScores
from pipeline.model.files.variant_record import VariantFile, read_variant
from pipeline.model.network.trained import load_variant
from pipeline.model.network.trained import untrained as untrained_variant
from pipeline.model.sequences.fits import require_context
from pipeline.outs import Snapshot
from pipeline.params import (
    FinetuneParams,
    ScoreParams,
    Settings,
)
from pipeline.params.methods import made_by
from pipeline.persona.task.record import PersonaTask
from pipeline.processes.journal import Journal
from pipeline.processes.workers import Jobs, Work, Workers
from stages.shell import console
from stages.shell.progress.shown import progress


SEED = 0  # of the order of candidates


@dataclass(frozen=True)
class ZeroShotWork:
    """Builds a worker's function."""

    variant: str
    seed: int
    tasks: tuple[PersonaTask, ...]
    params: FinetuneParams
    start: Start | None  # null: what training left
    likelihood: bool

    def __call__(self) -> Work[Prediction]:
        """Return the function that scores some personas."""
        if self.start is None:
            learner = load_variant(self.variant, self.seed)
        else:
            learner = untrained_variant(self.start.axes, self.start.adapters, self.seed)
        response = self.params.generate.max_new_tokens
        require_context(self.tasks, learner.encoder, response=response)

        def work(jobs: Jobs) -> list[list[Prediction]]:
            personas = [self.tasks[job.index] for job in jobs]
            likelihood = self.likelihood
            return predict(learner, personas, self.params, seed=self.seed, likelihood=likelihood)

        return work


def zero_shot(
    variant: Annotated[str, typer.Argument(help="A trained variant.")],
    path: Annotated[Path, typer.Argument(help="Archive or folder, as `stages.convai2` takes it.")],
    seed: Annotated[int, typer.Option(help="Training seed.")] = 0,
    split: Annotated[
        list[str] | None, typer.Option(help="Splits to score; valid and test if none is given.")
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Score the variant before its training.")
    ] = False,
    likelihood: Annotated[
        bool, typer.Option("--likelihood", help="No candidates, no responses: a part of the time.")
    ] = False,
) -> None:
    """Score a variant on ConvAI2's validation set without fine-tuning."""
    splits = validation_splits(split or (), "--split")
    settings = Settings.load()
    start = Start.of(settings, variant) if untrained else None
    given = start or read_variant(variant, seed, made_by=made_by(variant, seed))
    params = settings.view(FinetuneParams, given.axes.set)
    kind = variant + "-untrained" * untrained + "-likelihood" * likelihood
    models = [] if untrained else [artifacts.model_dir(variant, seed)]
    read = Snapshot([artifacts.BASE, path, *models])
    made_with = _made_with(given)
    tasks = tuple(read_tasks(path, splits, seed=SEED))
    asked = {"splits": " ".join(splits), "params": params.model_dump_json(), "seed": str(seed)}
    journal = _journal(kind, read, start, asked)
    jobs = [PersonaJob(seed, "test", index, None) for index in range(len(tasks))]
    workers = Workers(ZeroShotWork(variant, seed, tasks, params, start, likelihood), journal)
    console.note(journal.complaint)
    with progress(f"{variant} on {path.name}", len(jobs), unit="jobs") as on_done:
        records = workers.map(jobs, on_done)
    read.refuse_changed()
    target = _target(kind, splits, seed)
    made_from = AdaptedFrom.of(variant, params, read.digests, [seed], made_with)
    scores = ZeroShotScores(
        sha256=read.digests[path],
        splits=splits,
        seed=seed,
        counts=ZeroShotCounts(personas=len(tasks), replies=len(records)),
        metrics=Estimator(_bootstrap(settings)).micro(SettingSums.of(records)),
        made_from=made_from if start is None else start.said_in(made_from),
    )
    artifacts.write_sealed(target, scores.content())
    journal.delete()
    console.out.print(f"{target}: {len(tasks)} personas, {len(records)} replies")


def _made_with(given: Start | VariantFile) -> dict[str, Any]:
    """Return what made the base, and a model with its tasks as long as these are still there."""
    trained = given.tasks if isinstance(given, VariantFile) else {}
    files = {artifacts.tasks_file(split): digest for split, digest in trained.items()}
    same = all(file.is_file() and artifacts.sha256_of(file) == files[file] for file in files)
    told = {artifacts.BASE_FACTS, *([artifacts.TASKS_SUMMARY] if files and same else [])}
    of_inputs = [made.values for made in made_of_inputs(Path()) if made.file in told]
    of_model = given.made_with() if isinstance(given, VariantFile) else {}
    return {key: value for values in (*of_inputs, of_model) for key, value in values.items()}


def _bootstrap(settings: Settings) -> Bootstrap:
    score = settings.view(ScoreParams).score
    return Bootstrap(score.bootstrap_samples, score.seed)


def _target(variant: str, splits: Sequence[str], seed: int) -> Path:
    """Name the result; that of a part, or of a further seed, stands beside the others."""
    part = "" if splits == [*VALIDATION] else "".join(f"-{split}" for split in splits)
    of_seed = f"-seed-{seed}" if seed else ""  # older versions had no name for a seed
    return ZERO_SHOT / f"{variant}{part}{of_seed}.json"


def _journal(
    kind: str, read: Snapshot, start: Start | None, parts: dict[str, str]
) -> Journal[Prediction]:
    """Return the journal of these personas: its jobs are named by their place among them."""
    parts |= {str(path): digest for path, digest in read.digests.items()}
    if start is not None:
        parts |= {key: artifacts.json_text(value) for key, value in start.content().items()}
    return Journal(Prediction, f"zero-shot-{kind}", parts)


if __name__ == "__main__":
    console.run(zero_shot)
