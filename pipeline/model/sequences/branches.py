"""Distractors in the same pass as their dialogue: each is a branch that replaces a reply.

A branch is placed behind its window's own tokens. It sees the window up to the start of its reply,
and itself. Its positions continue from that start. The window sees no branch, so branches do not
change anything else. B sequences, T tokens with branches, U replies, C candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.sequences.encoding import ReplySpan


@dataclass(frozen=True)
class Trunk:
    """A window's replies and their distractors: equally many for each reply."""

    length: int  # tokens of the window that the pass reads
    spans: Sequence[ReplySpan]
    distractors: Sequence[Sequence[tuple[int, ...]]]  # ids, with the closing token


@dataclass(frozen=True)
class Branches:
    """The places of a batch's branches, and which token sees which."""

    positions: Tensor  # (B, T)
    mask: Tensor  # (B, T, T) bool: true where query (second axis) sees key (third axis)
    rows: Tensor  # (U,) the sequence that holds each reply
    ends: Tensor  # (U, C) places of the candidates' closing tokens; first the reply's own


def lay_out(trunks: Sequence[Trunk], length: int, device: torch.device) -> Branches:
    """Lay out trunks and their branches: one sequence of T = `length` places for each trunk."""
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
