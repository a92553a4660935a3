"""From encoded windows to padded tensors. B sequences, T tokens, R predicted tokens, N tasks.

Sequences are padded on the right with id 0. They need no mask: attention is causal, so no real
token sees the padding, and only reply positions are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.sequences.branches import Branches, Trunk, lay_out
from pipeline.model.sequences.encoding import ReplySpan, Window


@dataclass(frozen=True)
class Piece:
    """Some replies of one window, in order: the part of the window up to the last of them."""

    window: Window
    spans: tuple[ReplySpan, ...]
    distractors: tuple[tuple[tuple[int, ...], ...], ...] = ()  # ids; equally many for each reply

    @property
    def ids(self) -> tuple[int, ...]:
        """The window's ids up to the end of the last of these replies."""
        return self.window.ids[: self.spans[-1].end]

    @property
    def branches(self) -> tuple[tuple[ReplySpan, tuple[int, ...]], ...]:
        """Each distractor's ids, with the reply that it replaces."""
        pairs = zip(self.spans, self.distractors, strict=bool(self.distractors))
        return tuple((span, ids) for span, row in pairs for ids in row)

    @property
    def sequence(self) -> tuple[int, ...]:
        """The ids that the network reads: the window's, then the distractors'."""
        return self.ids + tuple(token for _, ids in self.branches for token in ids)


@dataclass(frozen=True)
class Batch:
    """A padded batch of N tasks, with the R positions before a reply's tokens, and the tokens."""

    ids: Tensor  # (B, T) int64
    rows: Tensor  # (R,) sequence of the predicted token
    columns: Tensor  # (R,) position before the predicted token
    targets: Tensor  # (R,) id of the predicted token
    tasks: Tensor  # (B,) task of each sequence, from 0 to N - 1
    num_tasks: int  # N
    branches: Branches | None = None  # distractors, for next-utterance prediction
    entering: Tensor | None = None  # (B, T, H) states that enter Φ's first block, if known


def whole(windows: Sequence[Window]) -> list[Piece]:
    """Return all replies of a dialogue, as one piece for each of its windows."""
    return [Piece(window, window.spans) for window in windows]


def select(windows: Sequence[Window], replies: slice) -> list[Piece]:
    """Return the slice `replies` of one dialogue's replies, counted over all its windows."""
    flat = [(window, span) for window in windows for span in window.spans][replies]
    pieces = []
    for window in windows:
        spans = tuple(span for owner, span in flat if owner is window)
        if spans:
            pieces.append(Piece(window, spans))
    return pieces


def collate(pieces: Sequence[Piece], device: torch.device) -> Batch:
    """Pad the pieces of one task, or of a batch without tasks, to one batch."""
    return collate_tasks([pieces], device)


def collate_tasks(sets: Sequence[Sequence[Piece]], device: torch.device) -> Batch:
    """Pad the support or query sets of N tasks to one batch."""
    pieces = [piece for task in sets for piece in task]
    tasks = [number for number, task in enumerate(sets) for _ in task]
    sequences = [piece.sequence for piece in pieces]
    length = max(map(len, sequences))
    ids = [[*sequence, *[0] * (length - len(sequence))] for sequence in sequences]
    places = [
        (row, column - 1, piece.window.ids[column])
        for row, piece in enumerate(pieces)
        for span in piece.spans
        for column in range(span.start, span.end)
    ]
    rows, columns, targets = torch.tensor(places).T.to(device)
    owners = torch.tensor(tasks, device=device)
    branches = None
    if pieces[0].distractors:
        trunks = [Trunk(len(piece.ids), piece.spans, piece.distractors) for piece in pieces]
        branches = lay_out(trunks, length, device)
    inputs = torch.tensor(ids, device=device)
    return Batch(inputs, rows, columns, targets, owners, len(sets), branches)
