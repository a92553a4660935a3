"""The tied table's gradient in its two parts: the projection's, and that of the looked-up rows.

f reads W at both ends: h Wᵀ at the output, the rows W[ids] at the input. For the second part
autograd makes a table of zeros, puts B T rows into it and adds it to the first, at each of the
exact meta-step's three gradients. With a large vocabulary this is much of the memory traffic of a
step. Here the rows are a leaf of their own, so that their part is added to B T rows only:

    ∇_W = projection's part + Sᵀ ∂rows        with S the ids' one-hot rows, (B T, V)
    ⟨∇_W, λ⟩ = ⟨projection's part, λ⟩ + ⟨∂rows, S λ⟩

and the second derivative, by W and by the rows, falls into the same two parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.model.derivatives.add_rows import add_rows_
from pipeline.model.network.language_model import ROWS, LanguageModel


@dataclass(frozen=True)
class TiedRows:
    """The rows that a batch looks up; if the table is no part of θ, no method changes a thing."""

    model: LanguageModel
    ids: Tensor  # (B, T)

    def split(self, theta: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return θ with the rows as one more leaf; it asks for a gradient as the table does."""
        if self.model.table not in theta:
            return dict(theta)
        rows = self.model.rows(theta, self.ids).detach()
        return {**theta, ROWS: rows.requires_grad_(theta[self.model.table].requires_grad)}

    def gather(self, cotangents: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return cotangents of whole gradients as those of their parts: S λ beside λ."""
        if self.model.table not in cotangents:
            return dict(cotangents)
        with torch.no_grad():
            return {**cotangents, ROWS: self.model.rows(cotangents, self.ids)}

    def add_(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return whole gradients: the rows' part is added to the table's, in place.

        The table may have no part of its own: an untied projection, or a loss that projects
        nothing on it.
        """
        whole = {name: value for name, value in parts.items() if name != ROWS}
        if ROWS in parts:
            rows = parts[ROWS].flatten(0, -2)
            table = self.model.table
            if table not in whole:
                whole[table] = rows.new_zeros(self.model.vocab_size, rows.shape[-1])
            add_rows_(whole[table], self.model.row_ids(self.ids).flatten(), rows)
        return whole
