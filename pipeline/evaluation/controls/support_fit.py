"""What fine-tuning does to the support dialogues themselves, beside the held-out dialogue.

The inner loop descends the support loss. If that loss falls, the rate and the steps move θ at all;
the held-out dialogue shows whether that helps (`scoring/adaptation.py`). Each persona has one fold:
the first of leave-one-out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.evaluation.predict.folds import FoldJob, score_folds
from pipeline.evaluation.predict.protocols import Fold, leave_one_out, swapped
from pipeline.evaluation.records.prediction import Prediction
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.schemas.base import Schema
from pipeline.evaluation.schemas.details import Adaptation
from pipeline.evaluation.scoring.adaptation import adaptation_by_epoch
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.model.network.learner import Learner
from pipeline.params import FinetuneParams
from pipeline.persona.task.record import PersonaTask


class SupportFit(Schema):
    """`artifacts.support_file(VARIANT)`: what fine-tuning gives, by epoch over 0."""

    seeds: list[int]
    held_out: dict[int, Adaptation]  # on the held-out dialogues
    support: dict[int, Adaptation]  # on the support dialogues themselves
    made_from: AdaptedFrom | None = None  # absent from files of an older version


def support_fit(
    learner: Learner,
    task: PersonaTask,
    tasks: Sequence[PersonaTask],
    params: FinetuneParams,
    *,
    seed: int,
) -> list[Prediction]:
    """Return a persona's likelihoods at every epoch, of its held-out and its support dialogues.

    The updates are those of `finetune`, in the same order. After a stranger's support the persona's
    own dialogues are scored, too.

    Args:
        learner: f and θ.
        task: the persona; without a second dialogue it has no record.
        tasks: all of its split, since strangers are drawn among them.
        params: how to adapt.
        seed: training seed of θ, which the records hold.
    """
    jobs = list(_jobs(task, tasks, params))
    scores = score_folds(learner, jobs, params, at_once=1)
    return [
        record
        for job, own in zip(jobs, scores, strict=True)
        for record in job.predictions(own, seed=seed)
    ]


def falls(
    tasks: Sequence[PersonaTask],
    records: Sequence[Prediction],
    params: FinetuneParams,
    bootstrap: Bootstrap,
) -> SupportFit:
    """Return what fine-tuning gives at every epoch, on held-out and on support dialogues.

    Args:
        tasks: the test personas.
        records: of `support_fit`, all personas and training seeds.
        params: how the personas were adapted.
        bootstrap: of the intervals.
    """
    held_out = {
        (task.task_id, fold.query[0].dialogue_id) for task in tasks for fold in _fold(task, params)
    }
    of_held_out: list[Prediction] = []
    of_support: list[Prediction] = []
    for record in records:
        is_held_out = (record.task_id, record.dialogue_id) in held_out
        (of_held_out if is_held_out else of_support).append(record)
    return SupportFit(
        seeds=params.seeds,
        held_out=adaptation_by_epoch(of_held_out, bootstrap),
        support=adaptation_by_epoch(of_support, bootstrap),
    )


def _fold(task: PersonaTask, params: FinetuneParams) -> list[Fold]:
    return leave_one_out(task, params.finetune)[:1]


def _jobs(
    task: PersonaTask, tasks: Sequence[PersonaTask], params: FinetuneParams
) -> Iterator[FoldJob]:
    for fold in _fold(task, params):
        stranger = swapped(fold, tasks, params.finetune)
        for adapted_to in (fold, stranger):
            if adapted_to is not None:
                # The held-out dialogue stays first: it gives the fold's key and the updates' order.
                yield FoldJob(task, replace(adapted_to, query=fold.query + fold.support))
