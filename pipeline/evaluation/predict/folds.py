"""Folds of many personas: adapt to each support, and score its query replies at every epoch.

Folds of one persona share the unadapted scores. Nothing else passes between folds, so they are
adapted in any order, and any number of them at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import itemgetter

from torch import Tensor

from pipeline.errors import DivergedError
from pipeline.evaluation.predict.cache import CacheMixture
from pipeline.evaluation.predict.folds_together import Question, score_together
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.predict.replies import score_dialogue
from pipeline.evaluation.predict.reply_score import ReplyScore, prediction
from pipeline.evaluation.predict.texts import Text, showing_text
from pipeline.evaluation.records.prediction import Prediction
from pipeline.learning.finetuning.plan import Support
from pipeline.learning.finetuning.updates import AdaptedFolds, finetune
from pipeline.model.network.learner import Learner
from pipeline.params import Finetune, FinetuneParams, Generate
from pipeline.persona.task.record import Dialogue, PersonaTask


EpochScores = list[tuple[int, list[ReplyScore]]]  # (epoch, scores of a fold's query replies)


@dataclass(frozen=True)
class FoldJob:
    """A persona's fold, and what is scored of it besides likelihoods at every epoch.

    Attributes:
        task: the persona.
        fold: support to adapt to, query to score.
        full: the epochs of candidates, responses and `texts`.
        texts: the query with other persona texts.
        counted: folds of the same query whose support is not adapted to, only counted by a cache.
    """

    task: PersonaTask
    fold: Fold
    full: frozenset[int] = frozenset()
    texts: tuple[Text, ...] = ()
    counted: tuple[Fold, ...] = ()

    def predictions(
        self, scores_by_epoch: EpochScores, *, seed: int, cache: CacheMixture | None = None
    ) -> list[Prediction]:
        """Return the records of the fold's scores; `seed` is the model's training seed.

        A cache is mixed with the unadapted model, so it is in the records of epoch 0; of a K with
        an epoch of its own in the only records.
        """
        folds = [(self.fold, epoch, scores) for epoch, scores in scores_by_epoch]
        folds += [(fold, 0, scores_by_epoch[0][1]) for fold in self.counted]
        return [
            prediction(score, fold, split=self.task.split, seed=seed, epoch=epoch, cache_nll=mixed)
            for fold, epoch, scores in folds
            for score, mixed in zip(scores, _mixed(cache, scores, fold, epoch), strict=True)
        ]


def _mixed(
    cache: CacheMixture | None, scores: Sequence[ReplyScore], fold: Fold, epoch: int
) -> list[dict[str, float] | None]:
    if cache is None or (epoch and any(score.unadapted is None for score in scores)):
        return [None] * len(scores)
    mixed = cache.nll(scores, fold)
    return [None if score.protocol else nats for score, nats in zip(scores, mixed, strict=True)]


def score_folds(
    learner: Learner, jobs: Sequence[FoldJob], params: FinetuneParams, *, at_once: int
) -> list[EpochScores]:
    """Return each fold's scores; equal up to rounding whatever `at_once` is.

    Args:
        learner: f and θ.
        jobs: the folds.
        params: how to adapt, what to generate.
        at_once: number of folds that share passes.

    Raises:
        DivergedError: a loss, or a score of a query reply, is not finite.
    """
    scores_of_folds = _unadapted(learner, jobs, params.generate)
    encode = learner.encoder.encode
    for section, members in _by_setting(jobs, params.finetune):
        own = [jobs[member] for member in members]
        supports = [Support(job.fold.key, [encode(d) for d in job.fold.support]) for job in own]
        for adapted in finetune(learner, supports, section, at_once=at_once):
            at_epoch = _scores(learner, adapted, own, params.generate)
            for fold, scores in zip(adapted.folds, at_epoch, strict=True):
                scores_of_folds[members[fold]].append((adapted.epoch, scores))
    return [
        _kept(sorted(by_epoch, key=itemgetter(0)), job, params.finetune)
        for job, by_epoch in zip(jobs, scores_of_folds, strict=True)
    ]


def _by_setting(
    jobs: Sequence[FoldJob], finetune: Finetune
) -> Iterator[tuple[Finetune, list[int]]]:
    """Yield how folds are fine-tuned, each time with the places of the jobs that it holds for.

    Only Fig. 3's folds have values of their own K.
    """
    own = [finetune.own_at(job.fold.k) if _in_figure_3(job) else None for job in jobs]
    for value in dict.fromkeys(own):
        section = finetune if value is None else finetune.at(value.k)
        yield section, [place for place, other in enumerate(own) if other == value]


def _in_figure_3(job: FoldJob) -> bool:
    return job.fold.protocol in ("k_shot", "k_shot_swap")


def _kept(by_epoch: EpochScores, job: FoldJob, finetune: Finetune) -> EpochScores:
    """Keep the last epoch alone of a K with a number of its own: records then say which counts."""
    own = finetune.own_at(job.fold.k) if _in_figure_3(job) else None
    if own is None:
        return by_epoch
    (_, before), (epoch, scores) = by_epoch[0], by_epoch[-1]
    pairs = zip(scores, before, strict=True)
    return [(epoch, [replace(score, unadapted=zero.token_nll) for score, zero in pairs])]


def _unadapted(learner: Learner, jobs: Sequence[FoldJob], generate: Generate) -> list[EpochScores]:
    """Return the scores by θ itself, epoch 0; a persona's dialogue is read once."""
    known: dict[tuple[str, str], list[ReplyScore]] = {}

    def score(job: FoldJob, dialogue: Dialogue) -> list[ReplyScore]:
        key = (job.task.task_id, dialogue.dialogue_id)
        if key not in known:
            with _named(f"{job.task.task_id}, epoch 0"):
                known[key] = score_dialogue(
                    learner, learner.theta, dialogue, generate, full=0 in job.full
                )
        return known[key] if 0 in job.full else [s.likelihood() for s in known[key]]

    def scores(job: FoldJob) -> list[ReplyScore]:
        own = [s for dialogue in job.fold.query for s in score(job, dialogue)]
        return own + _with_texts(learner, learner.theta, job, 0, generate)

    return [[(0, scores(job))] for job in jobs]


def _with_texts(
    learner: Learner, theta: Mapping[str, Tensor], job: FoldJob, epoch: int, generate: Generate
) -> list[ReplyScore]:
    """Return the likelihoods of the query's replies behind other persona texts."""
    if not job.texts or epoch not in job.full:
        return []
    reader = replace(learner, encoder=showing_text(learner.encoder))
    with _named(f"{job.task.task_id}, epoch {epoch}"):
        return [
            replace(score, protocol=protocol)
            for protocol, dialogue in job.texts
            for score in score_dialogue(reader, theta, dialogue, generate, full=False)
        ]


def _scores(
    learner: Learner, adapted: AdaptedFolds, jobs: Sequence[FoldJob], generate: Generate
) -> list[list[ReplyScore]]:
    """Return the scores of the folds that have reached an epoch, in their order."""
    scores: dict[int, list[ReplyScore]] = {fold: [] for fold in adapted.folds}
    together: list[tuple[int, Question]] = []
    for place, (fold, theta) in enumerate(adapted.of_each()):
        job = jobs[fold]
        full = adapted.epoch in job.full
        if len(adapted.folds) > 1 and not full:
            together += [(fold, Question(place, dialogue)) for dialogue in job.fold.query]
            continue
        with _named(f"{job.fold.key}, epoch {adapted.epoch}"):
            for dialogue in job.fold.query:
                scores[fold] += score_dialogue(learner, theta, dialogue, generate, full=full)
        scores[fold] += _with_texts(learner, theta, job, adapted.epoch, generate)
    if together:
        questions = [question for _, question in together]
        with _named(f"epoch {adapted.epoch}"):  # of many folds; the error names the dialogue
            by_question = score_together(
                learner, adapted.theta, questions, generate, at_once=len(adapted.folds)
            )
        for (fold, _), of_dialogue in zip(together, by_question, strict=True):
            scores[fold] += of_dialogue
    return list(scores.values())


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Put the persona or fold and the epoch in front of the error that a score is not finite."""
    try:
        yield
    except DivergedError as error:
        raise DivergedError(f"{where}, {error}") from error
