"""Φ as LoRA: a product of two small matrices beside a fixed one (Hu et al. 2022).

A layer W x becomes W x + (alpha / rank) B A x. A is drawn at random, B starts at zero: f is
unchanged at the start (Eq. 2), and B's gradient is not zero. Names and layout are PEFT's:
`MODULE.lora_A.weight` is (rank, inputs), `MODULE.lora_B.weight` (outputs, rank). There is no
dropout.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.model.phi.placement import (
    attention_of,
    blocks_with_phi,
    by_sequence,
    layers_with_phi,
    sizes_of,
)
from pipeline.params import Adapters


def insert_lora(trunk: Any, params: Adapters, generator: torch.Generator) -> None:
    """Insert LoRA into a trunk, in place: by default into every matrix of the attentions.

    Args:
        trunk: of an `Architecture`.
        params: rank, alpha, blocks, targets.
        generator: draws A, as PEFT does: uniform, by Kaiming He's rule with a = √5.

    Raises:
        ParamsError: blocks or targets that the trunk does not have.
    """
    attentions = [attention_of(block) for block in blocks_with_phi(trunk, params)]
    default = [layer for attention in attentions if attention for layer in attention.modules()]
    for _, layer in layers_with_phi(trunk, params, default):
        inputs, outputs = sizes_of(layer)
        layer.lora_A = nn.Linear(inputs, params.rank, bias=False)
        layer.lora_B = nn.Linear(params.rank, outputs, bias=False)
        nn.init.kaiming_uniform_(layer.lora_A.weight, a=math.sqrt(5), generator=generator)
        nn.init.zeros_(layer.lora_B.weight)
        layer.register_forward_hook(_Add(params.alpha / params.rank))


@dataclass(frozen=True)
class _Add:
    """A hook that `deepcopy` copies with its network: A and B are those of the layer called."""

    scale: float

    def __call__(self, layer: Any, inputs: Any, output: Tensor) -> Tensor:
        inner = _product(inputs[0], layer.lora_A.weight)
        return output + self.scale * _product(inner, layer.lora_B.weight)


def _product(hidden: Tensor, weight: Tensor) -> Tensor:
    """Multiply by (out, in), or by (B, out, in): then one matrix for each sequence.

    Some architectures (OPT) lay the sequences of a pass end to end in front of a matrix.
    """
    if weight.ndim == 2:
        return F.linear(hidden, weight)
    if hidden.ndim == 2:
        return torch.bmm(by_sequence(hidden, weight), weight.mT).flatten(0, 1)
    return torch.bmm(hidden, weight.mT)
