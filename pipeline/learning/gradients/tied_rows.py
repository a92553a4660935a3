"""The tied table's gradient in its two parts: what is projected on it, what is looked up in it.

W is read at both ends of f: h Wᵀ at the output, the rows W[ids] at the input. Autograd makes a
table of zeros for the second part, puts B T rows into it and adds it to the first, at each of the
exact meta-step's three gradients; of a large vocabulary that is much of what a step moves through
memory. Here the rows are a leaf of their own, so that their part is added where it belongs:

    ∇_W = projection's part + Sᵀ ∂rows        with S the ids' one-hot rows, (B T, V)
    ⟨∇_W, λ⟩ = ⟨projection's part, λ⟩ + ⟨∂rows, S λ⟩

and the second derivative, by W and by the rows, falls into the same two parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.derivatives.add_rows import add_rows_
from pipeline.model.network.language_model import ROWS, WTE, LanguageModel


@dataclass(frozen=True)
class TiedRows:
    """What a batch looks up; where the table is no part of θ, all is left as it is."""

    model: LanguageModel
    ids: Tensor  # (B, T)

    def split(self, theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return θ with the rows as one more leaf; it asks for a gradient as the table does."""
        if WTE not in theta:
            return dict(theta)
        rows = self.model.rows(theta, self.ids).detach()
        return {**theta, ROWS: rows.requires_grad_(theta[WTE].requires_grad)}

    def gather(self, cotangents: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return cotangents of whole gradients as those of their parts: S λ beside λ."""
        if WTE not in cotangents:
            return dict(cotangents)
        with torch.no_grad():
            return {**cotangents, ROWS: self.model.rows(cotangents, self.ids)}

    def add_(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return whole gradients: the rows' part is added to the table's, in place.

        The table may have no part of its own: nothing is projected where a head alone is asked.
        """
        whole = {name: value for name, value in parts.items() if name != ROWS}
        if ROWS in parts:
            rows = parts[ROWS].flatten(0, -2)
            if WTE not in whole:
                whole[WTE] = rows.new_zeros(self.model.vocab_size, rows.shape[-1])
            add_rows_(whole[WTE], self.model.row_ids(self.ids).flatten(), rows)
        return whole
