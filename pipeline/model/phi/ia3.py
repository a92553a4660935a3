"""Φ as (IA)³: vectors that rescale keys, values and the MLP's inner states (Liu et al. 2022).

All start at one, so f is unchanged at the start (Eq. 2). A matrix of the attention has its outputs
rescaled, the MLP's last matrix its inputs. Names and layout are PEFT's: `MODULE.ia3_l` is
(outputs, 1), or (1, inputs) for the MLP's last matrix.
"""

from typing import Any

import torch
from torch import Tensor, nn

from pipeline.model.phi.placement import (
    attention_of,
    blocks_with_phi,
    by_sequence,
    layers_with_phi,
    mlp_of,
    sizes_of,
)
from pipeline.params import Adapters


# Last parts of the names of matrices that make keys and values, alone or with the queries.
_KEYS_AND_VALUES = ("k_proj", "v_proj", "c_attn", "query_key_value", "qkv_proj", "Wqkv")


def insert_ia3(trunk: Any, params: Adapters) -> None:
    """Insert (IA)³ into a trunk, in place.

    By default it goes on what makes keys and values, and on the last matrix of each MLP. Where one
    matrix makes queries, keys and values together, all three are rescaled, as in PEFT.

    Args:
        trunk: of an `Architecture`.
        params: blocks, targets.

    Raises:
        ParamsError: blocks or targets that the trunk does not have.
    """
    blocks = blocks_with_phi(trunk, params)
    width = trunk.config.hidden_size
    last = [layer for block in blocks for layer in _last_of(mlp_of(block), width)]
    keys = [
        layer
        for block in blocks
        for name, layer in block.named_modules()
        if name.endswith(_KEYS_AND_VALUES) and attention_of(block) is not None
    ]
    of_mlp = {id(layer) for layer in last}
    for _, layer in layers_with_phi(trunk, params, [*keys, *last]):
        inputs, outputs = sizes_of(layer)
        before = id(layer) in of_mlp
        layer.ia3_l = nn.Parameter(torch.ones((1, inputs) if before else (outputs, 1)))
        if before:
            layer.register_forward_pre_hook(_rescale_inputs)
        else:
            layer.register_forward_hook(_rescale_outputs)


def _last_of(mlp: nn.Module | None, width: int) -> list[nn.Module]:
    """Return the matrix that leads from an MLP back to the residual stream."""
    layers = [] if mlp is None else [m for m in mlp.modules() if _leads_to(m, width)]
    return layers[-1:]


def _leads_to(module: Any, width: int) -> bool:
    is_matrix = getattr(getattr(module, "weight", None), "ndim", 0) == 2
    return is_matrix and sizes_of(module)[1] == width


def _rescale_inputs(layer: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    first, *rest = inputs
    return _rescaled(first, layer.ia3_l), *rest


def _rescale_outputs(layer: Any, inputs: Any, output: Tensor) -> Tensor:  # noqa: ARG001
    return _rescaled(output, layer.ia3_l)


def _rescaled(states: Tensor, scales: Tensor) -> Tensor:
    """Multiply the last dimension; (B, ..., ...) scales are one vector for each sequence."""
    if scales.ndim == 2:
        return states * scales.flatten()
    vectors = scales.flatten(1)[:, None]  # (B, 1, width)
    if states.ndim == 2:  # the sequences lie end to end, as OPT has them
        return (by_sequence(states, scales) * vectors).flatten(0, 1)
    return states * vectors
