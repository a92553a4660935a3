"""A tree of all contexts that are needed to score candidates. Its trunk is the window itself.

A context is the sequence before a token to be scored. Context t < T is the window's tokens 0..t,
which the network has read already. Context T + n is node n: its parent's sequence and one token
more. Candidates that begin alike share nodes. The true reply's contexts are in the trunk.
"""

from collections.abc import Sequence

from pipeline.model.sequences.encoding import Window


class PrefixTree:
    """Contexts of a window and of the candidates for its replies."""

    def __init__(self, window: Window) -> None:
        self.window = len(window.ids)  # T
        # One entry for each node; a parent comes before its children.
        self.tokens: list[int] = []  # the node's token
        self.parents: list[int] = []  # the context before that token
        self.trunks: list[int] = []  # the last token of the window that the node sees
        self.depths: list[int] = []  # tokens from the trunk to the node
        self._next = {(t, token): t + 1 for t, token in enumerate(window.ids[1:])}

    def walk(self, start: int, ids: Sequence[int]) -> list[tuple[int, int]]:
        """Return (context, token) for each token of a candidate for the reply at `start`."""
        context, pairs = start - 1, []
        for token in ids[:-1]:
            pairs.append((context, token))
            context = self._step(context, token)
        return [*pairs, (context, ids[-1])]

    def _step(self, parent: int, token: int) -> int:
        new = self.window + len(self.tokens)
        context = self._next.setdefault((parent, token), new)
        if context == new:
            above = parent - self.window
            self.tokens.append(token)
            self.parents.append(parent)
            self.trunks.append(parent if above < 0 else self.trunks[above])
            self.depths.append(1 if above < 0 else self.depths[above] + 1)
        return context

    def branches(self) -> list[list[int]]:
        """Return the nodes of each branch that leaves the trunk, parents first."""
        branches: dict[int, list[int]] = {}
        roots: list[int] = []
        for node, parent in enumerate(self.parents):
            roots.append(node if parent < self.window else roots[parent - self.window])
            branches.setdefault(roots[-1], []).append(node)
        return list(branches.values())


def fill_rows(branches: Sequence[list[int]], count: int) -> list[list[int]]:
    """Distribute whole branches over at most `count` rows of nearly the same length.

    The largest branch goes first, each into the shortest row. No row is empty, and few places are.
    """
    rows: list[list[int]] = [[] for _ in range(min(count, len(branches)))]
    for branch in sorted(branches, key=len, reverse=True):
        min(rows, key=len).extend(branch)
    return rows
