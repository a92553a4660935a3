"""What θ itself says of a person, nothing fine-tuned: how published systems were scored."""

from collections.abc import Sequence

from pipeline.evaluation.predict.folds import Asked, answer
from pipeline.evaluation.predict.protocols import Fold
from pipeline.evaluation.predict.reply_score import prediction
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.network.learner import Learner
from pipeline.params import FinetuneParams
from pipeline.persona.task import PersonaTask


def zero_shot(
    learner: Learner, tasks: Sequence[PersonaTask], params: FinetuneParams, *, seed: int
) -> list[list[Prediction]]:
    """Return each persona's records: every reply, candidates and responses too.

    They are of protocol `k_shot` at K = 0, without a dialogue that is kept back.
    """
    folds = [Fold("k_shot", task.task_id, (), tuple(task.dialogues)) for task in tasks]
    asked = [Asked(task, fold, frozenset({0})) for task, fold in zip(tasks, folds, strict=True)]
    return [
        [
            prediction(score, one.fold, split=one.task.split, seed=seed, epoch=epoch)
            for epoch, scores in found
            for score in scores
        ]
        for one, found in zip(asked, answer(learner, asked, params, at_once=1), strict=True)
    ]
