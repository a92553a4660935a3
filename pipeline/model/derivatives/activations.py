"""Activations whose second derivative is by hand, in the place of those of `transformers`."""

from torch import nn

from pipeline.model.derivatives.gelu import use_gelu
from pipeline.model.derivatives.silu import use_silu


def use_activations(network: nn.Module) -> None:
    """Replace GELU and SiLU, wherever a network has them."""
    use_gelu(network)
    use_silu(network)
