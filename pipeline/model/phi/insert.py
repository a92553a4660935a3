"""Φ by its kind. What unites the kinds is Eq. 2: the output is unchanged at the start, exactly.

A kind that changes f at the start, as prefixes and prompts do, is none.
"""

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from pipeline.model.phi.bottleneck import insert_bottlenecks
from pipeline.model.phi.ia3 import insert_ia3
from pipeline.model.phi.lora import insert_lora
from pipeline.params import Adapters


def insert_phi(trunk: Any, params: Adapters, generator: torch.Generator) -> list[str]:
    """Insert Φ into a trunk, in place.

    Args:
        trunk: of an `Architecture`.
        params: kind, size, place.
        generator: draws what starts at random.

    Returns:
        The names of Φ's parameters.

    Raises:
        ModelError: bottlenecks, and a block has not one attention and one MLP.
        ParamsError: blocks or targets that the trunk does not have.
    """
    before = {name for name, _ in trunk.named_parameters()}
    if params.kind == "bottleneck":
        insert_bottlenecks(trunk, params, generator)
    elif params.kind == "lora":
        insert_lora(trunk, params, generator)
    else:
        insert_ia3(trunk, params)
    return [name for name, _ in trunk.named_parameters() if name not in before]


def require_places(trunk: Any, every: Iterable[Adapters]) -> None:
    """Refuse Φ that a trunk has no place for. The trunk is not changed.

    Raises:
        ModelError, ParamsError: as `insert_phi`.
    """
    for params in every:
        empty = {
            id(value): nn.Parameter(value.detach().to("meta"), requires_grad=False)
            for value in trunk.parameters()
        }
        insert_phi(copy.deepcopy(trunk, empty), params, torch.Generator().manual_seed(0))
