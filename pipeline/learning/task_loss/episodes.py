"""What a training step sees: tasks, support and query sets, batches of replies (Section 4).

Every draw has a generator made from (seed, purpose, task, step), so it does not depend on earlier
draws, on resuming, or on the process that draws. Support and query are always different dialogues
of one persona: replies of one dialogue stand in each other's history.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from pipeline.errors import TrainingError
from pipeline.model.sequences.batching import Piece, select, whole
from pipeline.model.sequences.encoding import Encoder, Window
from pipeline.persona.task.record import PersonaTask


@dataclass(frozen=True)
class EncodedTask:
    """T_i: one persona's dialogues, each as its windows."""

    task_id: str
    dialogues: tuple[tuple[Window, ...], ...]


@dataclass(frozen=True)
class Episode:
    """Support sets and a query set of one task, from different dialogues."""

    task_id: str
    supports: tuple[list[Piece], ...]  # an inner step on each in turn, over and over
    query: list[Piece]

    @property
    def support(self) -> list[Piece]:
        """All support pieces."""
        return [piece for pieces in self.supports for piece in pieces]


def generator(seed: int | str, purpose: str, *key: object) -> Random:
    """Return the random generator of one draw."""
    return Random("/".join(map(str, (seed, purpose, *key))))


def encode_tasks(tasks: Sequence[PersonaTask], encoder: Encoder) -> list[EncodedTask]:
    """Encode every dialogue once."""
    return [
        EncodedTask(task.task_id, tuple(encoder.encode(d) for d in task.dialogues))
        for task in tasks
    ]


def num_replies(windows: Sequence[Window]) -> int:
    """Return how many replies a dialogue has."""
    return sum(len(window.spans) for window in windows)


def with_two_dialogues(tasks: Sequence[EncodedTask], split: str) -> list[EncodedTask]:
    """Keep the tasks that can be split into support and query.

    Raises:
        TrainingError: no task has two dialogues.
    """
    kept = [task for task in tasks if len(task.dialogues) >= 2]
    if not kept:
        raise TrainingError(
            f"split {split}: no persona has two dialogues, so there is no support and query; "
            "check data/tasks/summary.json"
        )
    return kept


def draw_tasks(tasks: Sequence[EncodedTask], size: int, seed: int, step: int) -> list[EncodedTask]:
    """Sample a batch of tasks T_i ~ p(T), uniformly and without repetition (Alg. 1, line 3)."""
    return generator(seed, "tasks", step).sample(list(tasks), min(size, len(tasks)))


@dataclass(frozen=True)
class EpisodeSize:
    """How much of a task an episode holds."""

    dialogues: int  # in the support; a task with too few gives all but the query's
    replies: int | None  # consecutive ones, of each support dialogue; null: all
    query_replies: int | None  # of the one query dialogue


def draw_episode(task: EncodedTask, size: EpisodeSize, draw: Random) -> Episode:
    """Draw a task's support dialogues and another dialogue for the query."""
    count = len(task.dialogues)
    *chosen, query = draw.sample(range(count), min(size.dialogues + 1, count))
    return Episode(
        task.task_id,
        tuple(_some(task.dialogues[support], size.replies, draw) for support in chosen),
        _some(task.dialogues[query], size.query_replies, draw),
    )


def _some(windows: tuple[Window, ...], count: int | None, draw: Random) -> list[Piece]:
    total = num_replies(windows)
    if count is None or count >= total:
        return whole(windows)
    first = draw.randrange(total - count + 1)
    return select(windows, slice(first, first + count))


def training_episodes(
    tasks: Sequence[EncodedTask], batch_size: int, size: EpisodeSize, *, seed: int, step: int
) -> list[Episode]:
    """Return the episodes of one outer step (Alg. 1, lines 3-5)."""
    return [
        draw_episode(task, size, generator(seed, "episode", task.task_id, step))
        for task in draw_tasks(tasks, batch_size, seed, step)
    ]


def validation_episodes(
    tasks: Sequence[EncodedTask], size: EpisodeSize, *, draws: int
) -> list[Episode]:
    """Return fixed draws of every valid task, the same for all variants, seeds and steps.

    The query set is the whole dialogue, whatever the query size in training: it costs one pass.
    """
    whole_query = replace(size, query_replies=None)
    return [
        draw_episode(task, whole_query, generator(0, "validation", task.task_id, number))
        for task in tasks
        for number in range(draws)
    ]


def reply_batch(
    dialogues: Sequence[tuple[Window, ...]], *, size: int, seed: int | str, step: int
) -> list[Piece]:
    """Return the `step`-th batch of `size` replies of normal training.

    Each epoch puts the dialogues into a new seeded order and deals their replies out, consecutive
    ones first; an epoch's last batch may be smaller.
    """
    total = sum(map(num_replies, dialogues))
    per_epoch = -(-total // size)
    epoch, index = divmod(step, per_epoch)
    order = list(range(len(dialogues)))
    generator(seed, "order", epoch).shuffle(order)
    begin, end = index * size, min((index + 1) * size, total)
    pieces: list[Piece] = []
    first = 0  # number of the dialogue's first reply in this epoch
    for position in order:
        last = first + num_replies(dialogues[position])
        if first < end and last > begin:
            chosen = slice(max(begin - first, 0), end - first)
            pieces += select(dialogues[position], chosen)
        first = last
    return pieces
