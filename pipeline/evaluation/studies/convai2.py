"""ConvAI2's validation set without a network: floors with intervals, to read published scores by.

The candidates must be the corpus's own, since Hits@1 would be another number with distractors that
are drawn here. All replies count. Document frequencies and constant replies are fitted on train.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from pipeline.artifacts import CONVAI2, raw_text
from pipeline.errors import DataError, ParamsError, one_line
from pipeline.evaluation.floors.constant_reply import best_reply, frequent_words
from pipeline.evaluation.floors.rankers import (
    DocumentFrequencies,
    random_hits,
    random_hits_at_1,
    tfidf_hits,
)
from pipeline.evaluation.metrics.generation import word_f1
from pipeline.evaluation.records.metric import finite, percent
from pipeline.evaluation.schemas.adapted_from import AdaptedFrom
from pipeline.evaluation.schemas.base import Estimate
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.evaluation.studies.schemas import (
    Convai2Counts,
    Convai2Floors,
    RandomFloor,
    RankerEstimate,
    ReplyEstimate,
)
from pipeline.params import Adapters, MaxPersonas, Settings, Tasks, TrainParams, Variant
from pipeline.persona.corpus.archive import extract
from pipeline.persona.task.record import PersonaTask, Split
from pipeline.persona.tasks.build import build_tasks
from pipeline.persona.tasks.parser import ParsedDialogue, parse_file


ZERO_SHOT = CONVAI2.parent / "zero_shot"  # a file for each variant that was scored there
VALIDATION = ("valid", "test")  # splits whose personas are together ConvAI2's validation set
_START = "start"  # among the parameters that an untrained variant's scores say
EVERYONE = MaxPersonas(train=None, valid=None, test=None)


@dataclass(frozen=True)
class Start:
    """What an untrained variant is made from, which no folder of a model says."""

    axes: Variant
    adapters: Adapters

    @classmethod
    def of(cls, settings: Settings, variant: str) -> "Start":
        """Return a variant's start.

        Raises:
            ParamsError: there is no such variant.
        """
        axes = settings.variant(variant)
        return cls(axes, settings.view(TrainParams, axes.set).adapters)

    def content(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "axes": self.axes.model_dump(mode="json"),
            "adapters": self.adapters.model_dump(mode="json"),
        }

    def said_in(self, made_from: AdaptedFrom) -> AdaptedFrom:
        """Return what numbers were made from, with this start among the parameters."""
        return made_from.model_copy(update={"params": made_from.params | {_START: self.content()}})


def is_todays_start(made_from: AdaptedFrom, settings: Settings) -> bool:
    """Say whether an untrained variant would start as it did; true of one that was trained.

    Raises:
        ParamsError: there is no such variant any more.
    """
    said = made_from.params.get(_START)
    return said is None or said == Start.of(settings, made_from.variant).content()


def validation_splits(asked: Sequence[str], option: str) -> list[str]:
    """Return the splits asked for, in their own order, each once; both if none is.

    Args:
        asked: names of splits.
        option: names the command's option in the message.

    Raises:
        ParamsError: one of them holds no validation personas, as train, or there is no such split.
    """
    for split in asked:
        if split not in VALIDATION:
            raise ParamsError(
                f"{option} {one_line(split)}: {' or '.join(VALIDATION)} was expected: personas "
                "that nothing is fitted on"
            )
    return [split for split in VALIDATION if split in asked or not asked]


def read_tasks(path: Path, splits: Sequence[str], *, seed: int) -> list[PersonaTask]:
    """Return the tasks of some splits of an archive or folder in Persona-chat's format.

    Raises:
        DataError: as `read_split`; the path does not exist, or lacks a split's file; or a split is
            unknown.
    """
    for split in splits:
        if split not in get_args(Split):
            raise DataError(f"split {split}: one of {', '.join(get_args(Split))} was expected")
    with _folder(path, splits) as folder:
        return [
            task
            for split in splits
            for task in read_split(folder / raw_text(split).name, cast(Split, split), seed=seed)
        ]


@contextmanager
def _folder(path: Path, splits: Sequence[str]) -> Iterator[Path]:
    if path.is_dir():
        files = [raw_text(split).name for split in splits]
        if lacking := [name for name in files if not (path / name).is_file()]:
            raise DataError(
                f"{one_line(path)}: no {' and no '.join(lacking)} in it; give the folder that has "
                "Persona-chat's text files, or their archive"
            )
        yield path
        return
    if not path.is_file():
        raise DataError(f"{path}: no such archive or folder")
    with tempfile.TemporaryDirectory() as temporary:
        extract(path, Path(temporary), [raw_text(split).name for split in splits])
        yield Path(temporary)


def read_split(path: Path, split: Split, *, seed: int) -> list[PersonaTask]:
    """Return the tasks of a file in Persona-chat's format, all personas, by the canonical rule.

    Raises:
        MissingFileError: the file does not exist.
        DataError: as the parser; or a reply of another split than train has no candidates.
    """
    dialogues = parse_file(path)
    if split != "train":
        _check_candidates(dialogues, path)
    params = Tasks(seed=seed, max_personas=EVERYONE)
    return build_tasks(dialogues, split, params)


def _check_candidates(dialogues: Sequence[ParsedDialogue], path: Path) -> None:
    for dialogue in dialogues:
        if any(exchange.candidates is None for exchange in dialogue.exchanges):
            raise DataError(
                f"{path.name}:{dialogue.line}: a reply without candidates; ConvAI2's own 20 are "
                "needed, so give a file that holds them"
            )


def measure(
    train: Sequence[PersonaTask],
    evaluated: Sequence[PersonaTask],
    bootstrap: Bootstrap,
    *,
    sha256: str,
) -> Convai2Floors:
    """Return each floor with its interval over personas.

    Args:
        train: the tasks that document frequencies and constant replies are fitted on.
        evaluated: the tasks that are scored, all replies.
        bootstrap: of the intervals; its seed is also the random ranker's.
        sha256: of the archive or folder that the tasks are from.

    Raises:
        DataError: a reply has no candidates.
    """
    train_replies, replies = (
        [text for task in tasks for text in _replies(task)] for tasks in (train, evaluated)
    )

    def ranker(hits: Sequence[bool]) -> RankerEstimate:
        return RankerEstimate(hits_at_1=_percent(hits, evaluated, bootstrap))

    def constant(reply: str) -> ReplyEstimate:
        scores = [word_f1(reply, other) for other in replies]
        return ReplyEstimate(f1=_percent(scores, evaluated, bootstrap), reply=reply)

    tfidf = {
        name: ranker(hits)
        for name, hits in tfidf_hits(DocumentFrequencies.of(train), evaluated).items()
    }
    random = _percent(random_hits(evaluated, bootstrap.seed), evaluated, bootstrap)
    return Convai2Floors(
        sha256=sha256,
        counts=Convai2Counts(
            personas=len(evaluated),
            dialogues=sum(len(task.dialogues) for task in evaluated),
            replies=len(replies),
            train_replies=len(train_replies),
        ),
        random=RandomFloor(hits_at_1=random, expected=random_hits_at_1(evaluated)),
        constant_reply=constant(best_reply(train_replies)),
        frequent_words=constant(frequent_words(train_replies)),
        **tfidf,
    )


def _replies(task: PersonaTask) -> list[str]:
    return [turn.reply for dialogue in task.dialogues for turn in dialogue.turns]


def _percent(
    scores: Sequence[float], tasks: Sequence[PersonaTask], bootstrap: Bootstrap
) -> Estimate:
    """Return 100 times the mean score over all replies, in the tasks' order, with its interval."""
    ends = np.cumsum([len(_replies(task)) for task in tasks])[:-1]
    parts = np.split(np.array(scores, float), ends)
    persona_sums = [np.array([part.sum(), len(part)]) for part in parts]
    value = finite("floor", percent(np.sum(persona_sums, axis=0)))
    low, high = bootstrap.bounds(persona_sums, percent, "floor")
    return Estimate(value=value, low=low, high=high)
