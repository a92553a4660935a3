"""From encoded windows to padded tensors. B sequences, T tokens, R predicted tokens, N tasks.

Sequences are right-padded with id 0 and need no mask: attention is causal, so no real token ever
looks at the padding, and only reply positions are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.sequences.branches import Branches, Trunk, lay_out
from pipeline.model.sequences.encoding import ReplySpan, Window


@dataclass(frozen=True)
class Piece:
    """Some replies of one window, in order. The sequence is cut after the last of them."""

    window: Window
    spans: tuple[ReplySpan, ...]
    distractors: tuple[tuple[tuple[int, ...], ...], ...] = ()  # ids, for each reply as many

    @property
    def ids(self) -> tuple[int, ...]:
        """The window's ids up to the end of the last reply used."""
        return self.window.ids[: self.spans[-1].end]

    @property
    def branches(self) -> tuple[tuple[ReplySpan, tuple[int, ...]], ...]:
        """Each distractor with the reply that it stands for."""
        pairs = zip(self.spans, self.distractors, strict=bool(self.distractors))
        return tuple((span, ids) for span, row in pairs for ids in row)

    @property
    def sequence(self) -> tuple[int, ...]:
        """What the network reads: the ids, then the distractors'."""
        return self.ids + tuple(token for _, ids in self.branches for token in ids)


@dataclass(frozen=True)
class Batch:
    """`ids` (B, T), whose they are, the R positions whose next token is a reply's, those tokens."""

    ids: Tensor  # (B, T) int64
    rows: Tensor  # (R,)
    columns: Tensor  # (R,) position before the predicted token
    targets: Tensor  # (R,)
    tasks: Tensor  # (B,) from 0 to N - 1
    num_tasks: int  # N
    branches: Branches | None = None  # distractors, where the next utterance is predicted


def whole(windows: Sequence[Window]) -> list[Piece]:
    """Return every reply of a dialogue's windows."""
    return [Piece(window, window.spans) for window in windows]


def select(windows: Sequence[Window], replies: slice) -> list[Piece]:
    """Return consecutive replies of one dialogue, counted over its windows."""
    flat = [(window, span) for window in windows for span in window.spans][replies]
    pieces = []
    for window in windows:
        spans = tuple(span for owner, span in flat if owner is window)
        if spans:
            pieces.append(Piece(window, spans))
    return pieces


def collate(pieces: Sequence[Piece], device: torch.device) -> Batch:
    """Pad the pieces of one task, or of no task in particular, to one batch."""
    return collate_tasks([pieces], device)


def collate_tasks(sets: Sequence[Sequence[Piece]], device: torch.device) -> Batch:
    """Pad the support or query sets of N tasks to one batch."""
    pieces = [piece for one in sets for piece in one]
    tasks = [number for number, one in enumerate(sets) for _ in one]
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
