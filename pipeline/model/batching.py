"""From encoded windows to padded tensors. B sequences, T tokens, R predicted tokens, N tasks.

Sequences are right-padded with id 0 and need no mask: attention is causal, so no real token ever
looks at the padding, and only reply positions are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.encoding import ReplySpan, Window


@dataclass(frozen=True)
class Piece:
    """Some replies of one window, in order. The sequence is cut after the last of them."""

    window: Window
    spans: tuple[ReplySpan, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The window's ids up to the end of the last reply used."""
        return self.window.ids[: self.spans[-1].end]


@dataclass(frozen=True)
class Batch:
    """`ids` (B, T), whose they are, the R positions whose next token is a reply's, those tokens."""

    ids: Tensor  # (B, T) int64
    rows: Tensor  # (R,)
    columns: Tensor  # (R,) position before the predicted token
    targets: Tensor  # (R,)
    tasks: Tensor  # (B,) from 0 to N - 1
    num_tasks: int  # N


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
    length = max(len(piece.ids) for piece in pieces)
    ids = [[*piece.ids, *[0] * (length - len(piece.ids))] for piece in pieces]
    places = [
        (row, column - 1, piece.window.ids[column])
        for row, piece in enumerate(pieces)
        for span in piece.spans
        for column in range(span.start, span.end)
    ]
    rows, columns, targets = torch.tensor(places).T.to(device)
    owners = torch.tensor(tasks, device=device)
    return Batch(torch.tensor(ids, device=device), rows, columns, targets, owners, len(sets))
