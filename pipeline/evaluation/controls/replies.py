"""What a model says to a person before and after K of the person's dialogues (App. C).

The folds and updates are those of Fig. 3. One context a person is shown, so only one dialogue is
read, and no candidate is ranked.
"""

from dataclasses import replace
from random import Random

from pipeline.evaluation.predict.folds import FoldJob, score_folds
from pipeline.evaluation.predict.protocols import Fold, k_shot
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.network.learner import Learner
from pipeline.params import FinetuneParams
from pipeline.persona.task.record import Dialogue, PersonaTask


def replies(
    learner: Learner, task: PersonaTask, params: FinetuneParams, *, seed: int, k: int
) -> list[Prediction]:
    """Return two records of one context: by θ itself, then after the last epoch on K dialogues.

    The context is before a reply of the first query dialogue. It is drawn by `finetune.seed`, so
    it is the same for every variant, K and training seed. None if the person has no K-shot fold.

    Args:
        learner: f and θ.
        task: the person.
        params: how to adapt, what to generate; `finetune.by_k` holds at its K.
        seed: the model's training seed.
        k: dialogues to adapt to, one of `finetune.k` over 0.

    Raises:
        DivergedError: a loss or score is not finite.
    """
    own = params.finetune.own_at(k)
    last = params.finetune.epochs[-1] if own is None else own.epochs
    at_epoch = {0: 0, k: last}
    jobs = [
        FoldJob(task, _one_dialogue(fold), full=frozenset({at_epoch[fold.k]}))
        for fold in k_shot(task, params.finetune)
        if fold.k in at_epoch
    ]
    scores = score_folds(learner, jobs, params, at_once=1)
    records = [
        record
        for job, by_epoch in zip(jobs, scores, strict=True)
        for record in job.predictions(by_epoch, seed=seed)
        if record.epoch == at_epoch[record.k]
    ]
    turns = sorted({record.turn for record in records})
    drawn = Random(f"{params.finetune.seed}/replies/{task.task_id}").choice(turns or [0])
    return [record for record in records if record.turn == drawn]


def _one_dialogue(fold: Fold) -> Fold:
    return replace(fold, query=tuple(_without_candidates(d) for d in fold.query[:1]))


def _without_candidates(dialogue: Dialogue) -> Dialogue:
    bare = {"candidates": None, "gold": None}
    turns = [turn.model_copy(update=bare) for turn in dialogue.turns]
    return dialogue.model_copy(update={"turns": turns})
