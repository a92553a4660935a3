"""The frozen trunk is read once: states below Φ's first block are the same in every step.

If φ is fixed and Φ begins at block L (`adapters.blocks`), no step changes what enters block L,
unless a token's own embedding is trained: a special token's is, so only windows without special
tokens take part (`format: plain` or `chat`). Each window is read alone, once. A run that keeps no
states reads it again and again, and gets the same numbers to the bit.

B sequences, T tokens, H width.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline import artifacts
from pipeline.errors import one_line
from pipeline.model.network.halves import Above, Below, Cut, first_of
from pipeline.model.network.language_model import LanguageModel
from pipeline.model.network.projection import SPECIAL
from pipeline.model.network.state_store import StateStore
from pipeline.model.sequences.batching import Batch, Piece
from pipeline.processes.cores import count_from_environment


_LOG = logging.getLogger(__name__)  # the shell shows it as a note

_MIB = 1 << 20
_LIMIT = 4096  # MiB; MAMLVIAPP_TRUNK_CACHE overrides
_TOLERANCE = 1e-4  # of the largest state
_TOKENS = 16


class FrozenTrunk:
    """States that enter Φ's first block, by window.

    Args:
        model: f.
        cut: in front of Φ's first block.
        fixed: φ; nothing in it may change.
        store: keeps states; null: nothing is kept.
    """

    def __init__(
        self,
        model: LanguageModel,
        cut: Cut,
        fixed: Mapping[str, Tensor],
        store: StateStore | None,
    ) -> None:
        self._model, self._cut, self._fixed, self._store = model, cut, fixed, store

    def fill(self, batch: Batch, sets: Sequence[Sequence[Piece]]) -> Batch:
        """Return the batch with the states of its windows; as it is if it can't have them.

        Args:
            batch: N tasks' sequences.
            sets: the pieces of each task, from which the batch was made.
        """
        pieces = [piece for task in sets for piece in task]
        windows = [piece.window.ids for piece in pieces]
        special = self._model.vocab_size
        if batch.branches is not None or max(map(max, windows)) >= special:
            return batch
        states = [self.states(ids) for ids in windows]
        entering = states[0].new_zeros(*batch.ids.shape, states[0].shape[-1])
        for row, piece, own in zip(entering, pieces, states, strict=True):
            length = len(piece.ids)
            row[:length] = own[:length]
        return replace(batch, entering=entering.to(batch.ids.device))

    @torch.no_grad()
    def states(self, ids: tuple[int, ...]) -> Tensor:
        """Return what enters Φ's first block for a window's tokens: (T, H)."""
        kept = None if self._store is None else self._store.get(ids)
        if kept is not None:
            return kept
        table = self._fixed[self._model.table]
        special = table.new_zeros(1, table.shape[1], dtype=_at_least_float32(table))
        places = torch.tensor([ids], device=table.device)
        below = Below(self._cut)
        with self._model.attending(fused=True), self._model.matrix_products(places):
            self._model.hidden({**self._fixed, SPECIAL: special}, places, half=below)
        states = below.states[0]
        if self._store is not None:
            self._store.put(ids, states)
        return states


def frozen_trunk(
    model: LanguageModel,
    theta: Mapping[str, Tensor],
    fixed: Mapping[str, Tensor],
    phi: Sequence[str],
) -> FrozenTrunk | None:
    """Return the frozen trunk of a model whose φ is fixed; null if there is nothing to save.

    The two halves prove themselves on random tokens. An architecture whose blocks can't be left
    out is trained as a whole, which gives the same results, and that is said.

    Args:
        model: f; its `cut` is set here.
        theta: what is trained.
        fixed: φ.
        phi: the names of Φ's parameters.
    """
    trunk = model.architecture.trunk
    first = first_of(trunk, phi)
    if not first:  # null, or block 0
        return None
    cut = Cut.at(trunk, first)
    if (why := _why_not(model, cut, {**fixed, **theta})) is not None:
        kind = model.architecture.config.model_type
        _LOG.warning(f"{kind}: the frozen trunk is read in every step, since {why}")
        return None
    model.cut = cut
    limit = (count_from_environment("MAMLVIAPP_TRUNK_CACHE") or _LIMIT) * _MIB
    return FrozenTrunk(model, cut, fixed, StateStore(artifacts.CHECKPOINTS, limit))


@torch.no_grad()
def _why_not(model: LanguageModel, cut: Cut, parameters: Mapping[str, Tensor]) -> str | None:
    """Say why the two halves are not the whole; null if they are."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(model.vocab_size, (2, _TOKENS), generator=generator)
    ids = ids.to(parameters[SPECIAL].device)
    whole, below = model.hidden(parameters, ids), Below(cut)
    try:
        model.hidden(parameters, ids, half=below)
        halves = model.hidden(parameters, ids, half=Above(cut, below.states))
    except Exception as error:  # a block may return anything, and fail in any way in a half
        return f"a half of it fails: {type(error).__name__}: {one_line(error)}"
    difference = ((halves - whole).abs().max() / whole.abs().max()).item()
    return None if difference <= _TOLERANCE else f"its halves differ from it by {difference:.1g}"


def _at_least_float32(table: Tensor) -> torch.dtype:
    return torch.float32 if table.dtype == torch.bfloat16 else table.dtype
