"""The switch between hand-made second derivatives and torch's own faster kernels."""

from torch import nn


class TwiceDifferentiable(nn.Module):
    """A module that computes one function in two ways.

    Attributes:
        twice: true: the module's gradient can itself be differentiated at little cost. False: the
            module is torch's own kernel, which is faster where nothing but a gradient is needed.
    """

    twice: bool = True


def set_twice(network: nn.Module, *, twice: bool) -> None:
    """Set `twice` of every `TwiceDifferentiable` module of a network."""
    for module in network.modules():
        if isinstance(module, TwiceDifferentiable):
            module.twice = twice
