"""The switch between hand-made second derivatives and torch's own faster kernels."""

from typing import Any

from torch import nn

from pipeline.errors import ModelError
from pipeline.model.derivatives.attention import TWICE


class TwiceDifferentiable(nn.Module):
    """A module that computes one function in two ways.

    Attributes:
        twice: true: the module's gradient can itself be differentiated at little cost. False: the
            module is torch's own kernel, which is faster where nothing but a gradient is needed.
    """

    twice: bool = True


def differentiate(trunk: Any, *, twice: bool) -> None:
    """Choose hand-made derivatives, which can be differentiated twice, or fused operations.

    An architecture for which `transformers` has no fused attention keeps its own eager one.
    """
    fused = "sdpa" if trunk._supports_sdpa else "eager"
    trunk.set_attn_implementation(TWICE if twice else fused)
    set_twice(trunk, twice=twice)


def set_twice(network: nn.Module, *, twice: bool) -> None:
    """Set `twice` of every `TwiceDifferentiable` module of a network."""
    for module in network.modules():
        if isinstance(module, TwiceDifferentiable):
            module.twice = twice


def require_twice(trunk: Any) -> None:
    """Refuse settings whose second derivative is missing or wrong.

    Raises:
        ModelError: the attention is fused, or `transformers`' own gradient checkpointing is on.
            That recomputes with the module's weights instead of f's arguments, silently.
    """
    if any(getattr(module, "gradient_checkpointing", False) for module in trunk.modules()):
        raise ModelError(
            "exact meta-gradients are wrong under the network's own gradient checkpointing; "
            "switch it off, and set MAMLVIAPP_RECOMPUTE=1 to save memory exactly"
        )
    kind = trunk.config._attn_implementation
    if kind not in ("eager", TWICE):
        raise ModelError(
            f"exact meta-gradients need attention `eager`, found `{kind}`: fused attention has "
            "no second derivative; use meta_gradient first_order or reptile"
        )
