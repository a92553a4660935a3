"""All that one trained model predicts for one persona: the unit of work of `finetune`.

Folds of one persona share the unadapted scores; nothing else passes between folds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.evaluation.in_context import in_context
from pipeline.evaluation.predict import room, score_dialogue, score_windows
from pipeline.evaluation.prediction import Prediction
from pipeline.evaluation.protocols import Fold, k_shot, leave_one_out, swapped
from pipeline.evaluation.reply_score import ReplyScore, prediction
from pipeline.learning.finetune import finetune
from pipeline.model.encoding import Window
from pipeline.model.learner import Learner
from pipeline.params import FinetuneParams
from pipeline.persona.task import PersonaTask


@dataclass(frozen=True)
class PersonaJob:
    """One persona by one training seed's model; `headline` is known once valid is done."""

    seed: int
    split: str
    index: int  # of the persona in its split's file
    headline: int | None

    @property
    def name(self) -> str:
        """Name the job, uniquely in a run."""
        return f"{self.split}/{self.seed}/{self.index}/{self.headline}"


@dataclass(frozen=True)
class PersonaRun:
    """One training seed's model and the personas it is tested on."""

    learner: Learner
    seed: int
    tasks: Sequence[PersonaTask]  # all of the split: strangers are drawn among them
    params: FinetuneParams

    def valid(self, task: PersonaTask) -> list[Prediction]:
        """Return likelihoods at every epoch, to choose the headline epoch by."""
        folds = leave_one_out(task, self.params.finetune)
        return [record for fold in folds for record in self._fold(fold, task, frozenset(), {})]

    def test(self, task: PersonaTask, headline: int) -> list[Prediction]:
        """Return every record of a test persona.

        Candidates and responses at epoch 0 and at the headline epoch; for an adaptation to a
        stranger (`swap`) likelihoods alone.
        """
        full = frozenset({0, headline})
        unadapted: dict[str, list[ReplyScore]] = {}
        records: list[Prediction] = []
        for fold in leave_one_out(task, self.params.finetune):
            records += self._fold(fold, task, full, unadapted)
            stranger = swapped(fold, self.tasks, self.params.finetune)
            if stranger is not None:
                records += self._fold(stranger, task, frozenset(), unadapted)
        for fold in k_shot(task, self.params.finetune):
            records += self._fold(fold, task, full, unadapted)
        if self.params.finetune.in_context:
            records += self._in_context(task)
        return records

    def _in_context(self, task: PersonaTask) -> Iterator[Prediction]:
        """Score the K-shot queries by θ itself, the support dialogues in the prompt."""
        shots = [k for k in self.params.finetune.k if k > 0]
        for largest in k_shot(task, self.params.finetune)[-1:]:
            for dialogue in largest.query:
                for fold, window in in_context(
                    replace(largest, query=(dialogue,)),
                    shots,
                    self.learner.encoder,
                    room(self.learner, dialogue, self.params.generate),
                ):
                    yield from self._without_gradient(fold, window, task)

    def _without_gradient(
        self, fold: Fold, window: Window, task: PersonaTask
    ) -> Iterator[Prediction]:
        (dialogue,) = fold.query
        encoded = (dialogue, (window,))
        theta, generate = self.learner.theta, self.params.generate
        for score in score_windows(self.learner, theta, encoded, generate, full=True):
            yield prediction(score, fold, split=task.split, seed=self.seed, epoch=0)

    def _fold(
        self,
        fold: Fold,
        task: PersonaTask,
        full: frozenset[int],
        unadapted: dict[str, list[ReplyScore]],
    ) -> Iterator[Prediction]:
        encode = self.learner.encoder.encode
        support = [encode(dialogue) for dialogue in fold.support]
        for epoch, theta in finetune(self.learner, support, self.params.finetune, key=fold.key):
            for dialogue in fold.query:
                known = unadapted.get(dialogue.dialogue_id) if epoch == 0 else None
                scores = known or score_dialogue(
                    self.learner, theta, dialogue, self.params.generate, full=epoch in full
                )
                if epoch == 0:
                    unadapted[dialogue.dialogue_id] = scores
                for score in scores:
                    yield prediction(score, fold, split=task.split, seed=self.seed, epoch=epoch)
