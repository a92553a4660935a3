"""Φ: bottleneck adapters (Fig. 2, Eq. 2; Houlsby et al. 2019).

Each block has two adapters: one on the attention's output, one on the MLP's, both before the
residual add, and before a norm that stands in front of it. An adapter computes
h + W_up gelu(W_down h + b_down) + b_up. W_up starts at zero, so the model's output is unchanged at
the start (Eq. 2 holds exactly), and W_up's gradient is not zero. If both projections started at
zero, no weight would ever move.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.model.base.architecture import branches_of
from pipeline.model.derivatives.gelu import Gelu
from pipeline.model.phi.placement import blocks_with_phi, by_sequence
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
    if hidden.ndim == 2:  # the sequences lie end to end
        return _linear(by_sequence(hidden, layer.weight), layer).flatten(0, 1)
    return torch.baddbmm(layer.bias[:, None], hidden, layer.weight.mT)


def insert_bottlenecks(trunk: Any, params: Adapters, generator: torch.Generator) -> None:
    """Insert two adapters into each block, in place.

    The modules are named as the block's attention and MLP with `.adapter` behind. A forward hook
    applies them to the outputs of attention and MLP. So φ's tensors keep their names, and no code
    of an architecture is written again here.

    Args:
        trunk: of an `Architecture`.
        params: size, initial spread, blocks.
        generator: draws the down-projections.

    Raises:
        ModelError: a block has not one attention and one MLP.
        ParamsError: blocks that the trunk does not have.
    """
    width = trunk.config.hidden_size
    for block in blocks_with_phi(trunk, params):
        for branch in branches_of(block):
            adapter = Adapter(width, params.bottleneck)
            adapter.initialise(params.init_std, generator)
            branch.adapter = adapter
            branch.register_forward_hook(_Apply(adapter))


@dataclass(frozen=True)
class _Apply:
    """A hook that `deepcopy` copies with its network. A closure would call the first adapter."""

    adapter: Adapter

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> Any:  # noqa: ARG002
        if isinstance(output, tuple):  # attention returns its weights, too
            return self.adapter(output[0]), *output[1:]
        return self.adapter(output)
