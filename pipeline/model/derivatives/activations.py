"""Activations whose second derivative is by hand, in the place of those of `transformers`."""

from torch import nn
from transformers.activations import GELUTanh, NewGELUActivation, SiLUActivation

from pipeline.model.derivatives.gelu import Gelu
from pipeline.model.derivatives.silu import Silu


# `transformers`' own: its GELU is eight operations.
_BY_HAND = ((NewGELUActivation | GELUTanh, Gelu), (SiLUActivation | nn.SiLU, Silu))


def use_activations(network: nn.Module) -> None:
    """Replace GELU and SiLU, wherever a network has them."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            for kinds, by_hand in _BY_HAND:
                if isinstance(child, kinds):
                    setattr(module, name, by_hand())
