"""Folds of many personas: adapted, and asked for their query replies at every epoch.

Folds of one persona share the unadapted scores; nothing else passes between folds, so they may be
adapted in any order and any number at once.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter

from pipeline.errors import DivergedError
from pipeline.evaluation.predict.folds_together import Question, likelihoods
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.predict.replies import score_dialogue
from pipeline.evaluation.predict.reply_score import ReplyScore
from pipeline.learning.finetuning.adapt import AdaptedFolds, finetune
from pipeline.learning.finetuning.plan import Support
from pipeline.model.network.learner import Learner
from pipeline.params import FinetuneParams, Generate
from pipeline.persona.task import Dialogue, PersonaTask


Answer = list[tuple[int, list[ReplyScore]]]  # by epoch: the replies of a fold's query dialogues


@dataclass(frozen=True)
class Asked:
    """A persona's fold, and the epochs at which candidates and responses are asked for, too."""

    task: PersonaTask
    fold: Fold
    full: frozenset[int] = frozenset()


def answer(
    learner: Learner, asked: Sequence[Asked], params: FinetuneParams, *, at_once: int
) -> list[Answer]:
    """Return each fold's scores; equal up to rounding whatever `at_once` is.

    Args:
        learner: f and θ.
        asked: the folds.
        params: how to adapt, what to generate.
        at_once: folds that share passes.

    Raises:
        DivergedError: a loss, or a score of a query reply, is not finite.
    """
    answers = _unadapted(learner, asked, params.generate)
    encode = learner.encoder.encode
    supports = [Support(a.fold.key, [encode(d) for d in a.fold.support]) for a in asked]
    for adapted in finetune(learner, supports, params.finetune, at_once=at_once):
        scores = _scores(learner, adapted, asked, params.generate)
        for fold, found in zip(adapted.folds, scores, strict=True):
            answers[fold].append((adapted.epoch, found))
    return [sorted(those, key=itemgetter(0)) for those in answers]


def _unadapted(learner: Learner, asked: Sequence[Asked], generate: Generate) -> list[Answer]:
    """Return what θ itself says, epoch 0; a persona's dialogue is read once."""
    known: dict[tuple[str, str], list[ReplyScore]] = {}

    def score(one: Asked, dialogue: Dialogue) -> list[ReplyScore]:
        key = (one.task.task_id, dialogue.dialogue_id)
        if key not in known:
            full = 0 in one.full
            with _named(f"{one.task.task_id}, epoch 0"):
                known[key] = score_dialogue(learner, learner.theta, dialogue, generate, full=full)
        return known[key]

    return [[(0, [s for d in one.fold.query for s in score(one, d)])] for one in asked]


def _scores(
    learner: Learner, adapted: AdaptedFolds, asked: Sequence[Asked], generate: Generate
) -> list[list[ReplyScore]]:
    """Return the scores of the folds that have come to an epoch, in their order."""
    found: dict[int, list[ReplyScore]] = {fold: [] for fold in adapted.folds}
    together: list[tuple[int, Question]] = []
    for place, (fold, theta) in enumerate(adapted.of_each()):
        one = asked[fold]
        full = adapted.epoch in one.full
        if len(adapted.folds) > 1 and not full:
            together += [(fold, Question(place, dialogue)) for dialogue in one.fold.query]
            continue
        with _named(f"{one.fold.key}, epoch {adapted.epoch}"):
            for dialogue in one.fold.query:
                found[fold] += score_dialogue(learner, theta, dialogue, generate, full=full)
    if together:
        questions = [question for _, question in together]
        with _named(f"epoch {adapted.epoch}"):  # of many folds, one of which has that dialogue
            answers = likelihoods(
                learner, adapted.theta, questions, generate, at_once=len(adapted.folds)
            )
        for (fold, _), scores in zip(together, answers, strict=True):
            found[fold] += scores
    return list(found.values())


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Say in the error where it was that a score was not finite."""
    try:
        yield
    except DivergedError as error:
        raise DivergedError(f"{where}, {error}") from error
