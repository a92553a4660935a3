"""A persona's replies scored by θ itself, without fine-tuning, as published systems were scored."""

from collections.abc import Sequence

from pipeline.evaluation.predict.folds import FoldJob, score_folds
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.network.learner import Learner
from pipeline.params import FinetuneParams
from pipeline.persona.task.record import PersonaTask


def zero_shot(
    learner: Learner,
    tasks: Sequence[PersonaTask],
    params: FinetuneParams,
    *,
    seed: int,
    likelihood: bool = False,
) -> list[list[Prediction]]:
    """Return each persona's records: every reply, candidates and responses too.

    The records are of protocol `k_shot` at K = 0; no dialogue is kept back as support. With
    `likelihood` they have neither candidates nor responses, which take most of the time.
    """
    full = frozenset[int]() if likelihood else frozenset({0})
    folds = [Fold("k_shot", task.task_id, (), tuple(task.dialogues)) for task in tasks]
    jobs = [FoldJob(task, fold, full) for task, fold in zip(tasks, folds, strict=True)]
    scores = score_folds(learner, jobs, params, at_once=1)
    return [job.predictions(own, seed=seed) for job, own in zip(jobs, scores, strict=True)]
