"""Score the candidates of Hits@1, all of a window's at once (Section 4.1).

The candidates of all replies are branches of one tree, whose trunk is the window (`prefix_tree`). A
prefix that candidates share with each other or with the true reply is read once. The vocabulary's
normaliser is computed once for each context. Whole branches are packed into rows. A token sees the
window up to the place where its branch leaves it, and its ancestors within the branch. Identical
strings are scored once, so ties are exact. R rows of Q places, T tokens of the window, H width. No
gradients.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from pipeline.model.inference.prefix_tree import PrefixTree, fill_rows
from pipeline.model.inference.reading import Reading
from pipeline.model.sequences.encoding import ReplySpan, Window
from pipeline.model.sequences.masks import Seen


ContextToken = tuple[int, int]  # a context of the tree, and the token to score after it

_PLACES = 128  # of a row: shorter rows waste less attention, longer ones copy fewer keys
_AT_ONCE = 8  # rows of a pass
_PLANS = 32  # kept: a window is scored by the θ̂ of several folds and epochs, one after another


@torch.no_grad()
def candidate_nll(
    reading: Reading,
    spans: Sequence[ReplySpan],
    candidates: Sequence[Sequence[tuple[int, ...]]],
) -> list[list[float]]:
    """Return each candidate's NLL after its reply's prefix, without the closing token, in nats.

    Memory: H numbers for each context. A pass takes P = `_AT_ONCE` x `_PLACES` tokens, or more if a
    branch is longer than a row. It holds one layer's activations, P x (T + Q) mask entries, and one
    layer's keys and values of R x (T + Q) tokens. `normaliser.nll` says what logits take.

    Args:
        reading: the window.
        spans: replies of that window.
        candidates: for each reply its candidates' ids, without marks; none is empty.
    """
    return rank(reading, spans, candidates).nll


@dataclass(frozen=True)
class Ranked:
    """The scores of each reply's candidates."""

    nll: list[list[float]]  # nats, without the closing token
    states: list[Tensor]  # (candidates, H) after the closing token; empty if it was not read


@torch.no_grad()
def rank(
    reading: Reading,
    spans: Sequence[ReplySpan],
    candidates: Sequence[Sequence[tuple[int, ...]]],
    *,
    closing: int | None = None,
) -> Ranked:
    """Score candidates like `candidate_nll`; if `closing` is given, read it after each of them."""
    plan = _plan(reading.window, tuple(spans), tuple(map(tuple, candidates)), closing)
    states = torch.cat([reading.hidden, _read(reading, plan)])
    nll = dict(zip(plan.pairs, _pair_nll(reading, states, plan.pairs), strict=True))
    sums = [[sum(nll[pair] for pair in walk) for walk in row] for row in plan.walks]
    return Ranked(sums, [states[row] for row in plan.ends])


@dataclass(frozen=True)
class _Pass:
    """Some rows of nodes that are read together."""

    rows: list[list[int]]  # nodes
    ids: Tensor  # (R, Q)
    seen: Seen


@dataclass(frozen=True)
class _Plan:
    """What is read and scored for a window's candidates: the same for every θ."""

    walks: list[list[list[ContextToken]]]  # of each candidate of each reply
    pairs: list[ContextToken]  # the distinct ones
    ends: list[list[int]]  # contexts after the closing token; empty if it is not read
    num_nodes: int
    passes: list[_Pass]


@lru_cache(maxsize=_PLANS)
def _plan(
    window: Window,
    spans: tuple[ReplySpan, ...],
    candidates: tuple[tuple[tuple[int, ...], ...], ...],
    closing: int | None,
) -> _Plan:
    tree = PrefixTree(window)
    walks = []
    for span, row in zip(spans, candidates, strict=True):
        own = {ids: tree.walk(span.start, ids) for ids in row}
        walks.append([own[ids] for ids in row])
    ends = [
        [_after(tree, span, (*ids, closing)) for ids in row]
        for span, row in zip(spans, candidates, strict=True)
        if closing is not None
    ]
    pairs = list(dict.fromkeys(pair for row in walks for walk in row for pair in walk))
    rows = fill_rows(tree.branches(), -(-len(tree.tokens) // _PLACES))
    passes = [_pass_of(tree, rows[i : i + _AT_ONCE]) for i in range(0, len(rows), _AT_ONCE)]
    return _Plan(walks, pairs, ends, len(tree.tokens), passes)


def _after(tree: PrefixTree, span: ReplySpan, ids: tuple[int, ...]) -> int:
    """Return the context that ends with `ids` in the place of a reply."""
    context, _ = tree.walk(span.start, (*ids, ids[-1]))[-1]  # a walk does not read its last token
    return context


def _pass_of(tree: PrefixTree, rows: list[list[int]]) -> _Pass:
    places = [nodes + nodes[:1] * (max(map(len, rows)) - len(nodes)) for nodes in rows]
    index = torch.tensor(places)  # (R, Q); an empty place repeats the row's first node
    ids, trunks, depths = (
        torch.tensor(values)[index] for values in (tree.tokens, tree.trunks, tree.depths)
    )
    mask = _mask(tree, rows, trunks, max(tree.depths))
    positions = trunks + depths
    window = torch.arange(tree.window).expand(len(rows), -1)
    return _Pass(rows, ids, Seen(mask, positions, torch.cat([window, positions], dim=-1)))


def _pair_nll(reading: Reading, states: Tensor, pairs: Sequence[ContextToken]) -> list[float]:
    """Return -log p(token | context) of each pair; `states` are (contexts, H)."""
    contexts = {context: i for i, context in enumerate(dict.fromkeys(c for c, _ in pairs))}
    device = reading.hidden.device
    used = states[torch.tensor(list(contexts), device=device)]
    rows = torch.tensor([contexts[context] for context, _ in pairs], device=device)
    targets = torch.tensor([token for _, token in pairs], device=device)
    values: list[float] = reading.nll(used, rows, targets).tolist()
    return values


def _read(reading: Reading, plan: _Plan) -> Tensor:
    """Return the states of all nodes: (nodes, H)."""
    device = reading.hidden.device
    states = reading.hidden.new_empty(plan.num_nodes, reading.hidden.shape[-1])
    for part in plan.passes:
        hidden = reading.model.hidden(
            reading.parameters,
            part.ids.to(device),
            seen=part.seen.to(device),
            cache=reading.shared(),
        )  # (R, Q, H)
        for nodes, row in zip(part.rows, hidden, strict=True):
            states[nodes] = row[: len(nodes)]
    return states


def _mask(tree: PrefixTree, rows: Sequence[list[int]], trunks: Tensor, depth: int) -> Tensor:
    """Return which keys each place sees: (R, Q, T + Q) bool; `depth` is the deepest node's."""
    length = trunks.shape[1]
    parents = torch.tensor([_parents(tree, nodes, length) for nodes in rows])
    own = torch.zeros(len(rows), length, length, dtype=torch.bool)
    above = torch.arange(length).repeat(len(rows), 1)
    for _ in range(depth):
        own.scatter_(-1, above[:, :, None], value=True)
        above = parents.gather(-1, above)
    window = torch.arange(tree.window) <= trunks[:, :, None]
    return torch.cat([window, own], dim=-1)


def _parents(tree: PrefixTree, nodes: list[int], length: int) -> list[int]:
    """Return each place's parent as a place; itself if it begins a branch or is empty."""
    places = {node: place for place, node in enumerate(nodes)}
    parents = [
        places.get(tree.parents[node] - tree.window, place) for place, node in enumerate(nodes)
    ]
    return parents + list(range(len(nodes), length))
