"""One copy of a network for each thread, so that several threads may run it at once.

`torch.func.functional_call` puts its arguments into the module during the call. Two threads on one
module would silently read each other's parameters. So every thread runs a copy of its own. The
copies share the parameters themselves, which nothing changes.
"""

import copy
import threading
from itertools import chain
from typing import Any


class PerThread:
    """One copy of a module for each thread that asks. The given module is never run.

    Args:
        pattern: the module to copy. `deepcopy` must copy its hooks with it.
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
        """Drop all copies. Call it when the pattern has changed."""
        self._copies = threading.local()
