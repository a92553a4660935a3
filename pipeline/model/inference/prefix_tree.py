"""The tree of all that has to be read to score candidates: its trunk is the window itself.

A context is what stands before a token to be scored. Context t < T is the window's tokens 0..t,
which the reading has; context T + n is node n: one token more after its parent. Candidates that
begin alike share nodes, and the true reply's lie in the trunk.
"""

from collections.abc import Sequence

from pipeline.model.sequences.encoding import Window


Ids = Sequence[int]


class PrefixTree:
    """Contexts of a window and of candidates for its replies."""

    def __init__(self, window: Window) -> None:
        self.window = len(window.ids)  # T
        self.tokens: list[int] = []  # of each node; a parent comes before its children
        self.parents: list[int] = []  # contexts
        self.trunks: list[int] = []  # the last token of the window that a node sees
        self.depths: list[int] = []  # tokens from there to the node
        self._next = {(t, token): t + 1 for t, token in enumerate(window.ids[1:])}

    def walk(self, start: int, ids: Ids) -> list[tuple[int, int]]:
        """Return the (context, token) pairs of a candidate in place of the reply at `start`."""
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
        """Return the nodes of each branch off the trunk, parents first."""
        branches: dict[int, list[int]] = {}
        roots: list[int] = []
        for node, parent in enumerate(self.parents):
            roots.append(node if parent < self.window else roots[parent - self.window])
            branches.setdefault(roots[-1], []).append(node)
        return list(branches.values())


def fill_rows(branches: Sequence[list[int]], count: int) -> list[list[int]]:
    """Share out whole branches over at most `count` rows of nearly the same length, none empty.

    The largest first, each into the row that is shortest: hardly a place stays empty.
    """
    rows: list[list[int]] = [[] for _ in range(min(count, len(branches)))]
    for branch in sorted(branches, key=len, reverse=True):
        min(rows, key=len).extend(branch)
    return rows
