"""Distractors read in the same pass as their dialogue: branches off the replies' prefixes.

A branch stands behind its window's own tokens. It sees the window up to where its reply begins, and
itself; its positions go on from there. The window sees no branch, so nothing else changes by them.
B sequences, T tokens with branches, U replies, C candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.sequences.encoding import ReplySpan


@dataclass(frozen=True)
class Trunk:
    """A window's replies and, for each, the ids of as many distractors, closing tokens included."""

    length: int  # of the window, as far as it is read
    spans: Sequence[ReplySpan]
    distractors: Sequence[Sequence[tuple[int, ...]]]


@dataclass(frozen=True)
class Branches:
    """Where the branches of a batch stand, and what may be seen from where."""

    positions: Tensor  # (B, T)
    mask: Tensor  # (B, T, T) bool: a token of the second axis may see one of the third
    rows: Tensor  # (U,) the sequence of each reply
    ends: Tensor  # (U, C) where its candidates' closing tokens stand, its own first


def lay_out(trunks: Sequence[Trunk], length: int, device: torch.device) -> Branches:
    """Lay out a batch of trunks and their branches in sequences of T = `length` places."""
    positions = torch.arange(length).repeat(len(trunks), 1)
    mask = torch.ones(length, length, dtype=torch.bool).tril().repeat(len(trunks), 1, 1)
    rows, ends = [], []
    for row, trunk in enumerate(trunks):
        first = trunk.length
        for span, distractors in zip(trunk.spans, trunk.distractors, strict=True):
            closings = [span.end - 1]
            for ids in distractors:
                last = first + len(ids)
                positions[row, first:last] = span.start + torch.arange(len(ids))
                mask[row, first:last, span.start : first] = False
                closings.append(last - 1)
                first = last
            rows.append(row)
            ends.append(closings)
        positions[row, first:] = 0  # padding
    return Branches(
        positions.to(device),
        mask.to(device),
        torch.tensor(rows, device=device),
        torch.tensor(ends, device=device),
    )
