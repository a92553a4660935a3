"""All that one trained model predicts for a persona: the unit of work of `finetune`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pipeline.evaluation.predict.cache import CacheMixture
from pipeline.evaluation.predict.folds import FoldJob, score_folds
from pipeline.evaluation.predict.in_context import in_context
from pipeline.evaluation.predict.protocols import (
    Fold,
    k_shot,
    k_shot_swapped,
    leave_one_out,
    swapped,
)
from pipeline.evaluation.predict.replies import room, score_windows
from pipeline.evaluation.predict.reply_score import prediction
from pipeline.evaluation.predict.texts import Text, other_texts
from pipeline.evaluation.records.prediction import Prediction
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.encoding import Window
from pipeline.params import FinetuneParams
from pipeline.persona.task.record import PersonaTask


@dataclass(frozen=True)
class PersonaJob:
    """One persona and one training seed's model.

    `headline` is the headline epoch, which is known once the valid split is done.
    """

    seed: int
    split: str
    index: int  # of the persona in its split's file
    headline: int | None

    @property
    def name(self) -> str:
        """The job's name, unique in a run of the stage."""
        return f"{self.split}/{self.seed}/{self.index}/{self.headline}"

    @property
    def run(self) -> tuple[str, int, int | None]:
        """What is the same for all jobs that are done together: split, seed, headline epoch."""
        return self.split, self.seed, self.headline


@dataclass(frozen=True)
class PersonaRun:
    """One training seed's model and the personas it is tested on."""

    learner: Learner
    seed: int
    tasks: Sequence[PersonaTask]  # all of the split, since strangers are drawn among them
    params: FinetuneParams
    at_once: int = 1  # number of folds that share passes

    def valid(self, tasks: Sequence[PersonaTask]) -> list[list[Prediction]]:
        """Return each persona's likelihoods at every epoch, which choose the headline epoch."""
        jobs = [
            [
                FoldJob(task, fold, counted=self._counted(fold))
                for fold in leave_one_out(task, self.params.finetune)
            ]
            for task in tasks
        ]
        return self._records(jobs)

    def _counted(self, fold: Fold) -> tuple[Fold, ...]:
        """Return the fold with its first K dialogues, on which a cache's weight is chosen."""
        params = self.params.finetune
        shots = [k for k in params.k if 0 < k <= fold.k and params.cache]
        return tuple(replace(fold, protocol="k_shot", support=fold.support[:k]) for k in shots)

    def test(self, tasks: Sequence[PersonaTask], headline: int) -> list[list[Prediction]]:
        """Return every record of each test persona.

        Candidates and responses are scored at epoch 0 and at the headline epoch. For an adaptation
        to a stranger (`swap`) they are scored at epoch 0 alone, where the scores are the persona's
        own; after it only likelihoods are.
        """
        records = self._records([list(self._test(task, headline)) for task in tasks])
        if self.params.finetune.in_context:
            for task, own in zip(tasks, records, strict=True):
                own += self._in_context(task)
        return records

    def _test(self, task: PersonaTask, headline: int) -> Iterator[FoldJob]:
        full = frozenset({0, headline})
        for fold in leave_one_out(task, self.params.finetune):
            yield FoldJob(task, fold, full, texts=self._texts(fold, task))
            stranger = swapped(fold, self.tasks, self.params.finetune)
            if stranger is not None:
                yield FoldJob(task, stranger, frozenset({0}))  # the own fold's unadapted scores
        for fold in k_shot(task, self.params.finetune):
            own = self.params.finetune.own_at(fold.k)
            shown = full if own is None else frozenset({own.epochs})
            yield FoldJob(task, fold, shown, texts=self._worth(fold, task))
        if self.params.finetune.k_shot_swap:
            for fold in k_shot_swapped(task, self.tasks, self.params.finetune):
                yield FoldJob(task, fold)

    def _worth(self, fold: Fold, task: PersonaTask) -> tuple[Text, ...]:
        """Return K = 0's query with the person's own text, if the variant reads it without."""
        if fold.k or self.learner.encoder.persona_text:
            return ()
        return self._texts(fold, task)

    def _texts(self, fold: Fold, task: PersonaTask) -> tuple[Text, ...]:
        """Return a fold's query with other persona texts."""
        params, encoder = self.params.finetune, self.learner.encoder
        if not params.other_texts:
            return ()
        return tuple(
            text
            for dialogue in fold.query
            for text in other_texts(dialogue, task, self.tasks, encoder, params.seed)
        )

    def _records(self, jobs: Sequence[Sequence[FoldJob]]) -> list[list[Prediction]]:
        """Return the records of each persona's folds."""
        flat = [job for of_persona in jobs for job in of_persona]
        scores = iter(score_folds(self.learner, flat, self.params, at_once=self.at_once))
        cache = CacheMixture(self.learner.encoder, self.params.finetune.cache)
        return [
            [
                record
                for job in of_persona
                for record in job.predictions(next(scores), seed=self.seed, cache=cache)
            ]
            for of_persona in jobs
        ]

    def _in_context(self, task: PersonaTask) -> Iterator[Prediction]:
        """Score the K-shot queries by θ itself, with the support dialogues in the prompt."""
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
