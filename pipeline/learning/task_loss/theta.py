"""θ, or a gradient by θ: tensors by name. `functional_call` and autograd take them like that."""

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor


Theta = Mapping[str, Tensor]

NOTHING: Theta = MappingProxyType({})  # for a set of tensors that a method does not have
