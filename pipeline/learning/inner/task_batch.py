"""Tasks that share a pass through f, with their support and query sets as batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.learning.task_loss.episodes import Episode
from pipeline.model.network.learner import Learner
from pipeline.model.sequences.batching import Batch


@dataclass(frozen=True)
class TaskBatch:
    """The support and the query sets of N tasks; a batch holds the sets of all N."""

    supports: tuple[Batch, ...]  # of each inner step; steps may share one batch
    query: Batch


def groups_of(
    learner: Learner, episodes: Sequence[Episode], tasks_at_once: int
) -> list[Sequence[Episode]]:
    """Return groups of tasks that share passes: tasks of like length, so that little is padded."""
    if tasks_at_once == 1 or not learner.stackable:
        return [[episode] for episode in episodes]
    ordered = sorted(episodes, key=lambda e: sum(len(p.ids) for p in [*e.support, *e.query]))
    starts = range(0, len(ordered), tasks_at_once)
    return [ordered[first : first + tasks_at_once] for first in starts]


def collate_group(learner: Learner, episodes: Sequence[Episode], steps: int) -> TaskBatch:
    """Return the tasks' batches of each step; a batch of several steps is made once."""
    made: dict[tuple[int, ...], Batch] = {}
    supports = []
    for step in range(steps):
        turns = tuple(step % len(episode.supports) for episode in episodes)
        if turns not in made:
            pieces = [e.supports[turn] for e, turn in zip(episodes, turns, strict=True)]
            made[turns] = learner.collate(pieces)
        supports.append(made[turns])
    queries = learner.collate([episode.query for episode in episodes])
    return TaskBatch(tuple(supports), queries)
