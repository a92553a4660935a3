"""A network that several threads may run at once.

`torch.func.functional_call` puts its arguments into the module for the time of the call, so that
two threads on one module would read each other's parameters, silently. Here every thread runs a
copy of its own; the parameters themselves, which nothing changes, are shared.
"""

import copy
import threading
from itertools import chain
from typing import Any


class PerThread:
    """One copy of a module for each thread that asks; the given one is never run.

    Args:
        pattern: the module; what refers to its parts (hooks) must be copied with it by `deepcopy`.
    """

    def __init__(self, pattern: Any) -> None:
        self.pattern = pattern
        self._copies = threading.local()

    @property
    def here(self) -> Any:
        """The calling thread's copy."""
        if not hasattr(self._copies, "module"):
            tensors = chain(self.pattern.parameters(), self.pattern.buffers())
            self._copies.module = copy.deepcopy(self.pattern, {id(t): t for t in tensors})
        return self._copies.module

    def changed(self) -> None:
        """Drop all copies: the pattern is another one now."""
        self._copies = threading.local()
