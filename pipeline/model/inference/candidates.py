"""Hits@1's candidates, all of a window at once on what has been read of it (Section 4.1).

The candidates of all replies are branches of one tree whose trunk is the window (`prefix_tree`):
what two of them share, or share with the true reply, is read once, and the vocabulary's normaliser
is computed once for each context. Whole branches are packed into rows; a token sees the window up
to where its branch leaves it, and the tokens of its branch above it. Identical strings are scored
once, so ties are exact. R rows of Q places, T tokens of the window, H width. No gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.inference.prefix_tree import PrefixTree, fill_rows
from pipeline.model.inference.reading import Reading
from pipeline.model.sequences.encoding import ReplySpan
from pipeline.model.sequences.masks import additive_mask


Pair = tuple[int, int]  # context, token

_PLACES = 128  # in a row: shorter rows waste less attention, longer ones copy fewer keys
_AT_ONCE = 8  # rows in a pass


@torch.no_grad()
def candidate_nll(
    reading: Reading,
    spans: Sequence[ReplySpan],
    candidates: Sequence[Sequence[tuple[int, ...]]],
) -> list[list[float]]:
    """Return each candidate's NLL after its reply's prefix, closing token left out, in nats.

    Args:
        reading: the window.
        spans: replies of that window.
        candidates: for each reply its candidates' ids (no marks, none empty).

    Memory: what grows with the number of candidates is H numbers per context and, for a pass of P
    = `_AT_ONCE` x `_PLACES` tokens at a time (more only if a branch is longer than a row), one
    layer's activations, P x (T + Q) mask entries and one layer's keys and values of R x (T + Q)
    tokens; logits as `vocabulary.nll` says.
    """
    return rank(reading, spans, candidates).nll


@dataclass(frozen=True)
class Ranked:
    """What was read of each reply's candidates."""

    nll: list[list[float]]  # nats, closing token left out
    states: list[Tensor]  # (candidates, H) after the closing token, if that was read


@torch.no_grad()
def rank(
    reading: Reading,
    spans: Sequence[ReplySpan],
    candidates: Sequence[Sequence[tuple[int, ...]]],
    *,
    closing: int | None = None,
) -> Ranked:
    """Score candidates as `candidate_nll`; with a `closing` token, read it after each, too."""
    tree = PrefixTree(reading.window)
    walks = [
        {ids: tree.walk(span.start, ids) for ids in row}
        for span, row in zip(spans, candidates, strict=True)
    ]
    ends = [
        [_after(tree, span, (*ids, closing)) for ids in row]
        for span, row in zip(spans, candidates, strict=True)
        if closing is not None
    ]
    states = torch.cat([reading.hidden, _read(reading, tree)])
    pairs = dict.fromkeys(pair for row in walks for walk in row.values() for pair in walk)
    nll = dict(zip(pairs, _pair_nll(reading, states, list(pairs)), strict=True))
    sums = [
        [sum(nll[pair] for pair in walks_of[ids]) for ids in row]
        for walks_of, row in zip(walks, candidates, strict=True)
    ]
    return Ranked(sums, [states[row] for row in ends])


def _after(tree: PrefixTree, span: ReplySpan, ids: tuple[int, ...]) -> int:
    """Return the context that ends with `ids` in place of a reply."""
    context, _ = tree.walk(span.start, (*ids, ids[-1]))[-1]  # the last token is only asked about
    return context


def _pair_nll(reading: Reading, states: Tensor, pairs: Sequence[Pair]) -> list[float]:
    """Return -log p(token | context) of each pair; `states` are those of all contexts."""
    contexts = {context: i for i, context in enumerate(dict.fromkeys(c for c, _ in pairs))}
    device = reading.hidden.device
    used = states[torch.tensor(list(contexts), device=device)]
    rows = torch.tensor([contexts[context] for context, _ in pairs], device=device)
    targets = torch.tensor([token for _, token in pairs], device=device)
    values: list[float] = reading.nll(used, rows, targets).tolist()
    return values


def _read(reading: Reading, tree: PrefixTree) -> Tensor:
    """Return the states of all nodes: (nodes, H)."""
    states = reading.hidden.new_empty(len(tree.tokens), reading.hidden.shape[-1])
    rows = fill_rows(tree.branches(), -(-len(tree.tokens) // _PLACES))
    for first in range(0, len(rows), _AT_ONCE):
        group = rows[first : first + _AT_ONCE]
        hidden = _run(reading, tree, group)  # (R, Q, H)
        for nodes, found in zip(group, hidden, strict=True):
            states[nodes] = found[: len(nodes)]
    return states


def _run(reading: Reading, tree: PrefixTree, rows: Sequence[list[int]]) -> Tensor:
    device = reading.hidden.device
    places = [nodes + nodes[:1] * (max(map(len, rows)) - len(nodes)) for nodes in rows]
    index = torch.tensor(places)  # (R, Q); a place that is left over repeats the row's first node
    ids, trunks, depths = (
        torch.tensor(values)[index].to(device) for values in (tree.tokens, tree.trunks, tree.depths)
    )
    mask = _mask(tree, rows, trunks, max(tree.depths))
    output = reading.model.hidden(
        reading.parameters,
        ids,
        past_key_values=reading.shared(),
        use_cache=True,
        position_ids=trunks + depths,
        attention_mask=additive_mask(mask, reading.hidden.dtype),
    )
    hidden: Tensor = output.last_hidden_state
    return hidden


def _mask(tree: PrefixTree, rows: Sequence[list[int]], trunks: Tensor, depth: int) -> Tensor:
    """Return who may see what: (R, Q, T + Q) bool; `depth` is that of the deepest node."""
    device, length = trunks.device, trunks.shape[1]
    parents = torch.tensor([_parents(tree, nodes, length) for nodes in rows], device=device)
    own = torch.zeros(len(rows), length, length, dtype=torch.bool, device=device)
    above = torch.arange(length, device=device).repeat(len(rows), 1)
    for _ in range(depth):
        own.scatter_(-1, above[:, :, None], value=True)
        above = parents.gather(-1, above)
    window = torch.arange(tree.window, device=device) <= trunks[:, :, None]
    return torch.cat([window, own], dim=-1)


def _parents(tree: PrefixTree, nodes: list[int], length: int) -> list[int]:
    """Return the place of each place's parent; its own where a branch begins or nothing stands."""
    places = {node: place for place, node in enumerate(nodes)}
    parents = [
        places.get(tree.parents[node] - tree.window, place) for place, node in enumerate(nodes)
    ]
    return parents + list(range(len(nodes), length))
