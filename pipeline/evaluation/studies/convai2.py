"""ConvAI2's validation set without a network: floors with intervals, to read published scores by.

The candidates must be the corpus's own: with distractors drawn here Hits@1 would be another number.
All replies count. What is fitted (document frequencies, the constant replies) is fitted on train.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast, get_args

import numpy as np

from pipeline.artifacts import CONVAI2, Content, raw_text
from pipeline.errors import DataError
from pipeline.evaluation.floors.constant_reply import best_reply, frequent_words
from pipeline.evaluation.floors.rankers import random_hits, random_hits_at_1, tfidf_hits
from pipeline.evaluation.metrics.generation import word_f1
from pipeline.evaluation.records.metric import finite, percent
from pipeline.evaluation.statistics.bootstrap import Bootstrap, Estimate
from pipeline.params import MaxPersonas, Tasks
from pipeline.persona.corpus.archive import extract
from pipeline.persona.task import PersonaTask, Split
from pipeline.persona.tasks.build import build_tasks
from pipeline.persona.tasks.parser import ParsedDialogue, parse_file


ZERO_SHOT = CONVAI2.parent / "zero_shot"  # a file for each variant that was scored there
VALIDATION = ("valid", "test")  # splits whose personas are together ConvAI2's validation set
EVERYONE = MaxPersonas(train=None, valid=None, test=None)
CONSTANT = {"constant_reply": best_reply, "frequent_words": frequent_words}


def read_tasks(path: Path, splits: Sequence[str], *, seed: int) -> list[PersonaTask]:
    """Return the tasks of some splits of an archive or folder in Persona-chat's format.

    Raises:
        DataError: as `read_split`; there is no such path, or no such split.
    """
    for split in splits:
        if split not in get_args(Split):
            raise DataError(f"split {split}: one of {', '.join(get_args(Split))} was expected")
    with _folder(path) as folder:
        return [
            task
            for split in splits
            for task in read_split(folder / raw_text(split).name, cast(Split, split), seed=seed)
        ]


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise DataError(f"{path}: no such archive or folder")
    with tempfile.TemporaryDirectory() as made:
        extract(path, Path(made))
        yield Path(made)


def read_split(path: Path, split: Split, *, seed: int) -> list[PersonaTask]:
    """Return the tasks of a file in Persona-chat's format, all personas, by the canonical rule.

    Raises:
        MissingFileError: there is no such file.
        DataError: as the parser; or it is not train and some reply has no candidates of its own.
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
    train: Sequence[PersonaTask], evaluated: Sequence[PersonaTask], bootstrap: Bootstrap
) -> Content:
    """Return each floor with its interval over personas; `expected` is the random ranker's.

    Raises:
        DataError: a reply has no candidates.
    """
    said, replies = (
        [text for task in tasks for text in _replies(task)] for tasks in (train, evaluated)
    )
    content: Content = {
        "counts": {
            "personas": len(evaluated),
            "dialogues": sum(len(task.dialogues) for task in evaluated),
            "replies": len(replies),
            "train_replies": len(said),
        },
        "random": {
            "hits_at_1": _percent(random_hits(evaluated, bootstrap.seed), evaluated, bootstrap),
            "expected": random_hits_at_1(evaluated),
        },
    }
    for name, hits in tfidf_hits(train, evaluated).items():
        content[name] = {"hits_at_1": _percent(hits, evaluated, bootstrap)}
    for name, choose in CONSTANT.items():
        constant = choose(said)
        scores = [word_f1(constant, reply) for reply in replies]
        content[name] = {"f1": _percent(scores, evaluated, bootstrap), "reply": constant}
    return content


def _replies(task: PersonaTask) -> list[str]:
    return [turn.reply for dialogue in task.dialogues for turn in dialogue.turns]


def _percent(
    scores: Sequence[float], tasks: Sequence[PersonaTask], bootstrap: Bootstrap
) -> dict[str, float | None]:
    """Return 100 times the mean score over all replies, in the tasks' order, with its interval."""
    ends = np.cumsum([len(_replies(task)) for task in tasks])[:-1]
    rows = [np.array([part.sum(), len(part)]) for part in np.split(np.array(scores, float), ends)]
    value = finite("floor", percent(np.sum(rows, axis=0)))
    return Estimate(value, *bootstrap.bounds(rows, percent, "floor")).as_dict()
