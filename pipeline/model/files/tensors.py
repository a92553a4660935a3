"""Read and write named tensors as safetensors, with this project's errors. Pickle is never read."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.errors import ModelError, one_line


# What the reader makes of a damaged header, a type that torch lacks, sizes beyond 64 bits.
_UNREADABLE = (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, RecursionError)
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_OS_ERROR = re.compile(r"os error (\d+)")


def write_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors of any device. Equal tensors and metadata give equal bytes.

    The file's mode is that of any new file: safetensors' own would let nobody else read it.

    Raises:
        OSError: the file cannot be written, e.g. because the disk is full. It has the system's
            error number, which safetensors' own error hides in its text.
    """
    on_cpu = {name: value.detach().cpu().contiguous() for name, value in sorted(tensors.items())}
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(on_cpu, path, metadata=dict(metadata) if metadata else None)
    except SafetensorError as error:
        number = _OS_ERROR.search(str(error))
        if number is None:
            raise
        code = int(number[1])
        raise OSError(code, os.strerror(code), str(path)) from error
    path.chmod(mode)


def read_tensors(
    path: Path, *, remedy: str, device: torch.device | None = None
) -> dict[str, Tensor]:
    """Read what `write_tensors` wrote.

    Args:
        path: the file; it must exist.
        remedy: what the user can do about a damaged file; the end of the error's message.
        device: where the tensors go; null: the CPU.

    Raises:
        ModelError: the file is cut off or is no safetensors file; or a number is not finite.
    """
    try:
        tensors = load_file(path, device=str(device or "cpu"))
    except _UNREADABLE as error:
        raise ModelError(f"{path}: corrupt ({one_line(error)}); {remedy}") from error
    for name, tensor in tensors.items():
        if tensor.dtype in _FLOATS and not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{path}: {one_line(name)} holds NaN or infinity; {remedy}")
    return tensors
