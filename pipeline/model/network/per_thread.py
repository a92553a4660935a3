"""A network without parameters of its own, once for each thread, so that several may run it.

A network whose parameters are an argument holds them during the call. Two threads on one module
would silently read each other's. So every thread runs a copy of its own, and the copies hold no
parameters between calls: memory has those that the caller passes, once.
"""

import copy
import threading
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class PerThread:
    """One copy of a module for each thread that calls. The given module is never run.

    Args:
        pattern: the module to copy. `deepcopy` must copy its hooks with it. Its parameters are
            replaced by tensors without memory.
    """

    def __init__(self, pattern: Any) -> None:
        self._pattern = pattern
        for holder, key in _holders(pattern).values():
            value = holder[key]
            holder[key] = torch.nn.Parameter(value.to("meta"), requires_grad=False)
        self._copies = threading.local()

    @property
    def here(self) -> Any:
        """The calling thread's copy. Buffers are its own: some rotary tables grow in a pass."""
        if not hasattr(self._copies, "module"):
            self._copies.module = copy.deepcopy(self._pattern)
            self._copies.holders = _holders(self._copies.module)
        return self._copies.module

    def call(self, parameters: Mapping[str, Tensor], **keywords: Any) -> Any:
        """Call the thread's copy with `parameters`.

        The result and its derivatives are those of `torch.func.functional_call`. That looks each
        name up in the tree of modules and searches it for ties, at every call: a quarter of the
        time of a pass over one token of a small network. Here names are looked up once.

        Raises:
            KeyError: the module has no such parameter, or it is shared and this name is not first.
        """
        module = self.here
        places = [self._copies.holders[name] for name in parameters]
        own = [holder[key] for holder, key in places]
        try:
            for (holder, key), value in zip(places, parameters.values(), strict=True):
                holder[key] = value
            return module(**keywords)
        finally:
            for (holder, key), value in zip(places, own, strict=True):
                holder[key] = value

    def to(self, target: torch.device | torch.dtype) -> None:
        """Move the buffers to a device, or those of floating point to a precision."""
        for module in self._pattern.modules():
            for name, value in module._buffers.items():
                if value is not None and (
                    value.is_floating_point() or target.__class__ is torch.device
                ):
                    module._buffers[name] = value.to(target)
        self._copies = threading.local()


def _holders(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Return each parameter's name with the dictionary that holds it and its key there."""
    return {
        name: (module.get_submodule(name.rpartition(".")[0])._parameters, name.rpartition(".")[2])
        for name, _ in module.named_parameters()
    }
