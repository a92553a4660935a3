"""Likelihoods after K dialogues alone: no candidates, no responses, no other protocol.

The folds, queries and updates are those of Fig. 3. Two controls without a gradient have the same
queries: K dialogues in the prompt, and a cache of their tokens. A third takes a stranger's
dialogues in the place of the person's. It serves two commands: `stages.rates` asks on valid at
many rates, `stages.shots` on test at the chosen ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipeline.evaluation.predict.cache import CacheMixture
from pipeline.evaluation.predict.folds import FoldJob, score_folds
from pipeline.evaluation.predict.in_context import in_context
from pipeline.evaluation.predict.protocols import k_shot, k_shot_swapped
from pipeline.evaluation.predict.replies import room, score_windows
from pipeline.evaluation.predict.reply_score import prediction
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.network.learner import Learner
from pipeline.params import Finetune, FinetuneParams
from pipeline.persona.task.record import PersonaTask


def shots(
    learner: Learner,
    task: PersonaTask,
    params: FinetuneParams,
    *,
    seed: int,
    shots: Sequence[int],
    at_once: int = 1,
) -> list[Prediction]:
    """Return a persona's records after each K at each of `finetune.epochs`; without K, epoch 0.

    Args:
        learner: f and θ.
        task: the persona.
        params: how to adapt; `finetune.k` decides the query, which is the same for every K.
        seed: the model's training seed.
        shots: the K to adapt to, some of `finetune.k`.
        at_once: folds that share passes.

    Raises:
        DivergedError: a loss or score is not finite.
    """
    jobs = [FoldJob(task, fold) for fold in k_shot(task, params.finetune) if fold.k in shots]
    return _adapted(learner, jobs, params, seed=seed, at_once=at_once)


def after_strangers(
    learner: Learner,
    task: PersonaTask,
    tasks: Sequence[PersonaTask],
    params: FinetuneParams,
    *,
    seed: int,
    at_once: int = 1,
) -> list[Prediction]:
    """Return the records of the same queries after K > 0 dialogues of a stranger, as `shots`.

    Args:
        learner: f and θ.
        task: the person whose replies are scored.
        tasks: all of the split, among whom the stranger is drawn; the same one at every K.
        params: how to adapt.
        seed: the model's training seed.
        at_once: folds that share passes.
    """
    jobs = [FoldJob(task, fold) for fold in k_shot_swapped(task, tasks, params.finetune)]
    return _adapted(learner, jobs, params, seed=seed, at_once=at_once)


def _adapted(
    learner: Learner, jobs: Sequence[FoldJob], params: FinetuneParams, *, seed: int, at_once: int
) -> list[Prediction]:
    """Return the records after the updates; where there are none to make, those before."""
    scores = score_folds(learner, jobs, params, at_once=at_once)
    return [
        record
        for job, by_epoch in zip(jobs, scores, strict=True)
        for record in job.predictions(by_epoch, seed=seed)
        if bool(record.epoch) == bool(record.k)
    ]


def prompted(
    learner: Learner,
    task: PersonaTask,
    params: FinetuneParams,
    *,
    seed: int,
    strangers: Sequence[PersonaTask] = (),
) -> Iterator[Prediction]:
    """Yield the records of the same queries by θ itself, with K dialogues in the prompt.

    A prompt that does not fit the context has as many dialogues as fit; `k` counts them.

    Args:
        learner: f and θ.
        task: the person whose replies are scored.
        params: the K, and the room for a response.
        seed: the model's training seed.
        strangers: the split's people; the prompt has the dialogues of one of them, drawn for the
            person, the same one at every K. Nobody: the person's own.
    """
    wanted = [k for k in params.finetune.k if k > 0]
    folds = k_shot(task, params.finetune)
    if strangers:
        folds = k_shot_swapped(task, strangers, params.finetune)
    for largest in folds[-1:]:
        for dialogue in largest.query:
            free = room(learner, dialogue, params.generate)
            alone = replace(largest, query=(dialogue,))
            for fold, window in in_context(alone, wanted, learner.encoder, free):
                encoded = (dialogue, (window,))
                theta, generate = learner.theta, params.generate
                for score in score_windows(learner, theta, encoded, generate, full=False):
                    yield prediction(score, fold, split=task.split, seed=seed, epoch=0)


def cached(
    learner: Learner, task: PersonaTask, params: FinetuneParams, *, seed: int
) -> list[Prediction]:
    """Return the records of the same queries by θ itself, with a cache of K dialogues' tokens.

    They are of epoch 0, for each K over 0, with `cache_nll` at each weight of `finetune.cache`.
    """
    folds = k_shot(task, params.finetune)
    if not folds:
        return []
    job = FoldJob(task, folds[0], counted=tuple(folds[1:]))
    (scores,) = score_folds(learner, [job], params, at_once=1)
    mixture = CacheMixture(learner.encoder, params.finetune.cache)
    records = job.predictions(scores, seed=seed, cache=mixture)
    return [record for record in records if record.cache_nll is not None]


def at(params: FinetuneParams, finetune: Finetune) -> FinetuneParams:
    """Return the parameters with another section `finetune`."""
    return params.model_copy(update={"finetune": finetune})
