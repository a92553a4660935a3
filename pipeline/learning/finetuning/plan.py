"""A fold's updates in order: which replies each update sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.learning.task_loss.episodes import generator, num_replies, reply_batch
from pipeline.model.sequences.batching import Piece, whole
from pipeline.model.sequences.encoding import Window
from pipeline.params import Finetune


@dataclass(frozen=True)
class Support:
    """The support of one fold."""

    key: str  # the fold's name; with `params.seed` and the epoch it seeds the dialogues' order
    dialogues: Sequence[tuple[Window, ...]]  # encoded; may be empty


class Update(NamedTuple):
    """One step of the optimizer."""

    pieces: list[Piece]
    epoch: int
    ends: bool  # it ends its epoch, and `finetune.epochs` has that epoch


def plan(support: Support, params: Finetune) -> list[Update]:
    """Return all updates of a fold, in order; none without support."""
    updates: list[Update] = []
    for epoch in range(1, params.epochs[-1] + 1 if support.dialogues else 1):
        batches = list(_batches(support, params, epoch - 1))
        updates += [Update(pieces, epoch, ends=False) for pieces in batches[:-1]]
        updates.append(Update(batches[-1], epoch, ends=epoch in params.epochs))
    return updates


def _batches(support: Support, params: Finetune, epoch: int) -> Iterator[list[Piece]]:
    """Yield an epoch's batches: one dialogue each, or `batch_size` replies each."""
    seed = f"{params.seed}/{support.key}"
    if params.batch_size is None:
        order = list(support.dialogues)
        generator(seed, "order", epoch).shuffle(order)
        yield from map(whole, order)
        return
    per_epoch = -(-sum(map(num_replies, support.dialogues)) // params.batch_size)
    for index in range(per_epoch):
        step = epoch * per_epoch + index
        yield reply_batch(support.dialogues, size=params.batch_size, seed=seed, step=step)
