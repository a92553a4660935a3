"""States by key in a scratch file: written once, read through memory mapping.

The file has no name, so the system removes it when the process ends, however it ends. Nothing of
it can be taken for another run's. T tokens, H width.
"""

import mmap
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor


_SHARE = 4  # at most a quarter of what is free on the disk


class StateStore:
    """Tensors of one width by key, until the limit is reached; then no more are kept.

    Args:
        folder: whose disk holds the file.
        limit: bytes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._file: Any = None  # opened by the first write, so that each fork has its own
        self._places: dict[Any, tuple[int, torch.Size, torch.dtype]] = {}
        self._size = 0
        self._map: mmap.mmap | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        """How many tensors are kept."""
        return len(self._places)

    def get(self, key: Any) -> Tensor | None:
        """Return a kept tensor, or null; it must not be written to."""
        with self._lock:
            if key not in self._places:
                return None
            start, shape, dtype = self._places[key]
            if self._map is None or len(self._map) < self._size:
                # An older map lives on as long as a tensor uses it.
                self._map = mmap.mmap(self._file.fileno(), self._size, access=mmap.ACCESS_COPY)
            flat = torch.frombuffer(self._map, dtype=dtype, count=shape.numel(), offset=start)
        return flat.view(shape)

    def put(self, key: Any, value: Tensor) -> None:
        """Keep a tensor if there is room. A full disk ends the keeping, not the run."""
        data = np.ascontiguousarray(value.detach().cpu().numpy()).tobytes()
        with self._lock:
            if key in self._places:
                return
            try:
                if self._file is None:
                    self._open()
                if self._size + len(data) > self._limit:
                    return
                self._write(data)
            except OSError:
                self._limit = 0
                return
            self._places[key] = (self._size, value.shape, value.dtype)
            self._size += len(data)

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - kept
        weakref.finalize(self, self._file.close)
        self._limit = min(self._limit, shutil.disk_usage(self._folder).free // _SHARE)

    def _write(self, data: bytes) -> None:
        view, place = memoryview(data), self._size
        while view:  # a nearly full disk takes a part
            written = os.pwrite(self._file.fileno(), view, place)
            view, place = view[written:], place + written
