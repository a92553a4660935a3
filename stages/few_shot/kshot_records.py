"""Records after K dialogues, over processes and resumable: of `rates`, `shots` and `replies`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from pipeline.evaluation.controls.replies import replies
from pipeline.evaluation.controls.shots import after_strangers, cached, prompted, shots
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.predict.persona import PersonaJob
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.network.trained import load_variant
from pipeline.params import FinetuneParams
from pipeline.processes.device import best_device, folds_at_once
from pipeline.processes.journal import Journal
from pipeline.processes.workers import Jobs, Work, Workers
from stages.shell import console
from stages.shell.progress.shown import progress


Control = Literal["prompt", "cache", "stranger", "stranger_prompt", "replies"]


@dataclass(frozen=True)
class ShotsWork:
    """Builds a worker's function; loads each seed's model once."""

    variant: str
    params: FinetuneParams
    split: str
    shots: tuple[int, ...] | Control

    def __call__(self) -> Work[Prediction]:
        """Return the function that scores some personas."""
        tasks = inputs.tasks_of(self.split)
        learner = cache(lambda seed: load_variant(self.variant, seed))
        at_once = folds_at_once(best_device())

        def one(job: PersonaJob) -> list[Prediction]:
            model, task, seed = learner(job.seed), tasks[job.index], job.seed
            match self.shots:
                case "prompt":
                    return list(prompted(model, task, self.params, seed=seed))
                case "stranger_prompt":
                    return list(prompted(model, task, self.params, seed=seed, strangers=tasks))
                case "stranger":
                    return after_strangers(
                        model, task, tasks, self.params, seed=seed, at_once=at_once
                    )
                case "cache":
                    return cached(model, task, self.params, seed=seed)
                case "replies":
                    return replies(
                        model, task, self.params, seed=seed, k=self.params.finetune.k[-1]
                    )
                case own:
                    return shots(model, task, self.params, seed=seed, shots=own, at_once=at_once)

        def work(jobs: Jobs) -> list[list[Prediction]]:
            return [one(job) for job in jobs]

        return work


class KshotRecords:
    """What one command scores, part by part; all of it can be gone on from until the out is there.

    Every part has a journal of its own: `delete` them once the command's out is written.
    """

    def __init__(self) -> None:
        self._journals: list[Journal[Prediction]] = []

    def of(
        self,
        variant: str,
        params: FinetuneParams,
        split: str,
        seeds: Sequence[int],
        shots: Sequence[int] | Control,
        people: int | None = None,
    ) -> list[Prediction]:
        """Return the records of a split's people after each K, by each seed's model.

        Args:
            variant: trained.
            params: how to adapt.
            split: valid or test.
            seeds: of the models.
            shots: the K; or a control at every K, or `replies` at the largest.
            people: the first of them alone; null: all.

        Raises:
            DataError: tasks, base or a model were replaced meanwhile.
        """
        read = inputs.read_by(variant, seeds)
        asked = shots if isinstance(shots, str) else tuple(shots)
        name = asked if isinstance(asked, str) else "-".join(map(str, asked))
        journal = inputs.journal(f"shots-{split}-{name}", variant, params)
        self._journals.append(journal)
        workers = Workers(ShotsWork(variant, params, split, asked), journal)
        console.note(journal.complaint)
        count = len(inputs.tasks_of(split)[:people])
        jobs = [PersonaJob(seed, split, index, None) for seed in seeds for index in range(count)]
        with progress(f"{variant} on {split}", len(jobs), unit="jobs") as on_done:
            records: list[Prediction] = workers.map(jobs, on_done)
        read.refuse_changed()
        return records

    def delete(self) -> None:
        """Remove the journals: the out is written."""
        for journal in self._journals:
            journal.delete()
