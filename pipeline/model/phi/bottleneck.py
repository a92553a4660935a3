"""Φ: bottleneck adapters in a GPT-2 (Fig. 2, Eq. 2; Houlsby et al. 2019).

Each block has two adapters: one after the attention's output projection, one after the MLP's, both
before the residual add. An adapter computes h + W_up gelu(W_down h + b_down) + b_up. W_up starts at
zero, so the model's output is unchanged at the start (Eq. 2 holds exactly), and W_up's gradient is
not zero. If both projections started at zero, no weight would ever move.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.model.derivatives.gelu import Gelu
from pipeline.params import Adapters


class Adapter(nn.Module):
    """One bottleneck with its own residual connection: (..., width) -> (..., width)."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, bottleneck)
        self.up = nn.Linear(bottleneck, width)
        self.gelu = Gelu()

    def forward(self, hidden: Tensor) -> Tensor:
        """Return hidden + up(gelu(down(hidden))).

        Args:
            hidden: (..., width); (B, T, width) if each sequence has weights of its own.
        """
        return hidden + _linear(self.gelu(_linear(hidden, self.down)), self.up)

    def initialise(self, std: float, generator: torch.Generator) -> None:
        """Draw W_down from N(0, std), cut at two standard deviations; zero W_up and both biases."""
        nn.init.trunc_normal_(self.down.weight, 0.0, std, -2 * std, 2 * std, generator=generator)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)


def _linear(hidden: Tensor, layer: nn.Linear) -> Tensor:
    """Apply a layer; its weight is (out, in), or (B, out, in) with one matrix per sequence."""
    if layer.weight.ndim == 2:
        return F.linear(hidden, layer.weight, layer.bias)
    return torch.baddbmm(layer.bias[:, None], hidden, layer.weight.mT)


def insert_adapters(transformer: Any, params: Adapters, generator: torch.Generator) -> list[str]:
    """Insert two adapters into every block of a GPT2Model, in place.

    The modules are named `h.LAYER.attn.adapter` and `h.LAYER.mlp.adapter`. A forward hook after the
    last module of attention and MLP applies them. So φ's tensors keep their names, and no GPT-2
    code is written again here.

    Args:
        transformer: a GPT2Model.
        params: size and initial spread.
        generator: draws the down-projections.

    Returns:
        The names of Φ's parameters.
    """
    width = transformer.config.hidden_size
    for block in transformer.h:
        for branch, last in (
            (block.attn, block.attn.resid_dropout),
            (block.mlp, block.mlp.dropout),
        ):
            adapter = Adapter(width, params.bottleneck)
            adapter.initialise(params.init_std, generator)
            branch.adapter = adapter
            last.register_forward_hook(_Apply(adapter))
    return [name for name, _ in transformer.named_parameters() if ".adapter." in name]


@dataclass(frozen=True)
class _Apply:
    """A hook that `deepcopy` copies with its network. A closure would call the first adapter."""

    adapter: Adapter

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:  # noqa: ARG002
        result: Tensor = self.adapter(output)
        return result
