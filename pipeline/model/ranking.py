"""Hits@1's candidates, all at once on a shared prefix (Section 4.1).

Every reply of a window is a row; its candidates stand one after the other in that row, each seeing
the reply's own prefix (from the reading) and itself, and nothing else. Identical strings are
scored once, so ties are exact. B rows, Q packed tokens, T tokens of the window. No gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.encoding import ReplySpan
from pipeline.model.reading import Reading


Ids = tuple[int, ...]


@dataclass(frozen=True)
class _Packed:
    """One row's candidates: what goes in, and what is read off."""

    inputs: list[int]  # every candidate but for its last token, one after the other
    offsets: list[int]  # position of each input within its candidate
    owners: list[int]  # which candidate each input belongs to


def candidate_nll(
    reading: Reading, spans: Sequence[ReplySpan], candidates: Sequence[Sequence[Ids]]
) -> list[list[float]]:
    """Return each candidate's NLL after its reply's prefix, closing token left out, in nats.

    Args:
        reading: the window.
        spans: replies of that window.
        candidates: for each reply its candidates' ids (no marks, none empty).
    """
    unique = [list(dict.fromkeys(row)) for row in candidates]
    packed = [_pack(row) for row in unique]
    hidden = _run(reading, spans, packed)  # (B, Q, H)
    scores = []
    for row, (span, known) in enumerate(zip(spans, unique, strict=True)):
        first = reading.hidden[span.start - 1].expand(len(known), -1)
        states = torch.cat([first, hidden[row, : len(packed[row].inputs)]])
        targets = [c[0] for c in known] + [token for c in known for token in c[1:]]
        nll = reading.nll(states, torch.tensor(targets, device=states.device))
        owners = torch.tensor([*range(len(known)), *packed[row].owners], device=states.device)
        total = torch.zeros(len(known), dtype=nll.dtype, device=nll.device)
        total.index_add_(0, owners, nll)
        by_ids = dict(zip(known, total.tolist(), strict=True))
        scores.append([by_ids[ids] for ids in candidates[row]])
    return scores


def _pack(candidates: Sequence[Ids]) -> _Packed:
    bodies = [ids[:-1] for ids in candidates]
    return _Packed(
        inputs=[token for body in bodies for token in body],
        offsets=[offset for body in bodies for offset in range(len(body))],
        owners=[owner for owner, body in enumerate(bodies) for _ in body],
    )


def _run(reading: Reading, spans: Sequence[ReplySpan], packed: Sequence[_Packed]) -> Tensor:
    device = reading.hidden.device
    length = max(len(row.inputs) for row in packed)
    if length == 0:  # every candidate is a single token: the prefix has said it all
        return reading.hidden.new_zeros(len(packed), 0, reading.hidden.shape[-1])
    ids = _padded([row.inputs for row in packed], length, 0, device)
    offsets = _padded([row.offsets for row in packed], length, 0, device)
    owners = _padded([row.owners for row in packed], length, -1, device)
    starts = torch.tensor([span.start for span in spans], device=device)
    mask = _mask(owners, starts, len(reading.window.ids))
    output = reading.model.hidden(
        reading.parameters,
        ids,
        past_key_values=reading.cache(len(packed)),
        use_cache=True,
        position_ids=starts[:, None] + offsets,
        attention_mask=additive(mask, reading.hidden.dtype),
    )
    hidden: Tensor = output.last_hidden_state
    return hidden


def _mask(owners: Tensor, starts: Tensor, window: int) -> Tensor:
    """Return who may see what: (B, Q, T + Q) bool."""
    rows, length = owners.shape
    prefix = torch.arange(window, device=owners.device) < starts[:, None]  # (B, T)
    same = owners[:, :, None] == owners[:, None, :]  # (B, Q, Q)
    causal = torch.ones(length, length, dtype=torch.bool, device=owners.device).tril()
    return torch.cat([prefix[:, None].expand(rows, length, window), same & causal], dim=-1)


def additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return (B, Q, K) bool as (B, 1, Q, K): 0 where it is true, the smallest number elsewhere."""
    zeros = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
    return zeros.masked_fill(~mask, torch.finfo(dtype).min)[:, None]


def _padded(rows: Sequence[list[int]], length: int, fill: int, device: torch.device) -> Tensor:
    return torch.tensor([row + [fill] * (length - len(row)) for row in rows], device=device)
