"""Modules whose two derivatives are written out, and the switch to what is derived only once."""

from torch import nn


class TwiceDifferentiable(nn.Module):
    """A module in two forms of one function.

    With `twice` its first derivative can itself be differentiated at little cost; without, it is
    torch's own kernel, the faster one where nothing asks for more than a gradient.
    """

    twice: bool = True


def set_twice(network: nn.Module, *, twice: bool) -> None:
    """Choose the form of all such modules of a network."""
    for module in network.modules():
        if isinstance(module, TwiceDifferentiable):
            module.twice = twice
