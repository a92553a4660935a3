"""From states to the vocabulary: logits = cap(scale h [W; S]ᵀ + b).

W are the V rows of the plain vocabulary. S are those of the special tokens, which every variant
trains. If the model is tied, both are the embedding's. GPT-2 and Llama have no bias and no soft
cap; then the NLL has its derivatives by hand (`derivatives/cross_entropy.py`).

R predicted tokens, H width, B sequences.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.model.base.architecture import Architecture, Head
from pipeline.model.derivatives.cross_entropy import tied_nll
from pipeline.model.sequences.batching import Batch


SPECIAL = "special.weight"  # S of the embedding, and of a tied projection
WEIGHT, SPECIAL_WEIGHT = "lm_head.weight", "lm_head.special.weight"  # W and S of an untied one
BIAS = "lm_head.bias"  # (V + S,)
OWN = (WEIGHT, SPECIAL_WEIGHT, BIAS)


@dataclass(frozen=True)
class Projection:
    """The head with its tensors."""

    plain: Tensor  # W, (V, H)
    special: Tensor  # S, (S, H), or (B, S, H) with one for each sequence
    bias: Tensor | None  # b
    scale: float
    soft_cap: float | None

    @classmethod
    def of(cls, head: Head, parameters: Mapping[str, Tensor], table: str) -> "Projection":
        """Take the head's tensors from f's parameters; `table` names the embedding."""
        names = (table, SPECIAL) if head.weight is None else (WEIGHT, SPECIAL_WEIGHT)
        plain, special = (parameters[name] for name in names)
        return cls(plain, special, parameters.get(BIAS), head.scale, head.soft_cap)

    @property
    def is_linear(self) -> bool:
        """Whether a logit is a product of two vectors, up to the scale."""
        return self.bias is None and self.soft_cap is None

    def scaled(self, hidden: Tensor) -> Tensor:
        """Return scale h."""
        return hidden if self.scale == 1 else hidden * self.scale

    def finish(self, products: Tensor, bias: Tensor | None) -> Tensor:
        """Return cap(products + bias); `bias` is that of the products' entries."""
        if bias is not None:
            products = products + bias
        if self.soft_cap is not None:
            products = (products / self.soft_cap).tanh() * self.soft_cap
        return products

    def logits(self, hidden: Tensor) -> Tensor:
        """Project (..., H): (..., V + S)."""
        hidden = self.scaled(hidden)
        plain = (hidden.to(self.plain.dtype) @ self.plain.T).to(hidden.dtype)
        products = torch.cat([plain, hidden @ self.special.T], dim=-1)
        return self.finish(products, self.bias)

    def nll(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Return -log p(target) of a batch's predicted tokens in nats: (B, T, H) -> (R,)."""
        hidden = self.scaled(hidden[batch.rows, batch.columns])  # (R, H)
        if self.special.ndim == 3:
            special = torch.linalg.vecdot(self.special[batch.rows], hidden[:, None])
        else:
            special = hidden @ self.special.T  # (R, S)
        if self.is_linear:
            return tied_nll(hidden, self.plain, special, batch.targets)
        products = torch.cat([hidden @ self.plain.T, special], dim=-1)
        logits = self.finish(products.to(self.special.dtype), self.bias)
        return F.cross_entropy(logits, batch.targets, reduction="none")

    def chosen(self, hidden: Tensor, ids: Tensor) -> Tensor:
        """Return the logits of one token for each state: (M, H), (M,) -> (M,)."""
        size = len(self.plain)
        plain = F.embedding(ids.clamp(max=size - 1), self.plain)
        special = F.embedding((ids - size).clamp(min=0), self.special)
        rows = torch.where((ids >= size)[:, None], special, plain)
        products = (self.scaled(hidden) * rows).sum(-1)
        return self.finish(products, None if self.bias is None else self.bias[ids])


def initial_parameters(architecture: Architecture, num_special: int) -> dict[str, Tensor]:
    """Return f's parameters by name, with plain and special rows apart; special rows are copies.

    Args:
        architecture: whose tables hold V + S rows.
        num_special: S; the special tokens' rows are the last.
    """
    parameters = {n: v.detach() for n, v in architecture.trunk.named_parameters()}
    head = architecture.head
    tables = [(architecture.table, SPECIAL, parameters.pop(architecture.table))]
    if head.weight is not None:
        tables.append((WEIGHT, SPECIAL_WEIGHT, head.weight.detach()))
    split: dict[str, Tensor] = {}
    for plain, special, table in tables:
        size = len(table) - num_special
        split |= {plain: table[:size], special: table[size:].clone()}
    if head.bias is not None:
        split[BIAS] = head.bias.detach()
    return split | parameters
