"""The tied table's gradient in its two parts: what is projected on it, what is looked up in it.

W is read at both ends of f: h Wᵀ at the output, the rows W[ids] at the input. Autograd makes a
table of zeros for the second part, puts T rows into it and adds it to the first, at each of the
exact meta-step's three gradients; of a large vocabulary that is most of what a step moves through
memory. Here the rows are a leaf of their own, so that their part is added where it belongs:

    ∇_W = ∂h-part + Sᵀ ∂rows        with S the ids' one-hot rows, (B·T, V)
    ⟨∇_W, λ⟩ = ⟨∂h-part, λ⟩ + ⟨∂rows, S λ⟩

and the second derivative, by W and by the rows, falls into the same two parts.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.model.language_model import ROWS, WTE, LanguageModel


def with_rows(model: LanguageModel, theta: Mapping[str, Tensor], ids: Tensor) -> dict[str, Tensor]:
    """Return θ and, where the table is part of it, the rows of `ids` as one more leaf."""
    if WTE not in theta:
        return dict(theta)
    rows = model.rows(theta, ids).detach().requires_grad_()
    return {**theta, ROWS: rows}


def gather(
    cotangents: Mapping[str, Tensor], model: LanguageModel, ids: Tensor
) -> dict[str, Tensor]:
    """Return cotangents of whole gradients as those of their parts: S λ beside λ."""
    if WTE not in cotangents:
        return dict(cotangents)
    with torch.no_grad():
        return {**cotangents, ROWS: model.rows(cotangents, ids)}


def scatter_(parts: Mapping[str, Tensor], model: LanguageModel, ids: Tensor) -> dict[str, Tensor]:
    """Return whole gradients: the rows' part is added to the table's, in place."""
    whole = {name: value for name, value in parts.items() if name != ROWS}
    if ROWS in parts:
        rows = parts[ROWS].detach().flatten(0, -2)
        whole[WTE].detach().index_add_(0, model.row_ids(ids).flatten(), rows)
    return whole
