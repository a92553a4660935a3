"""What this machine can do: its fastest float32 matrix product, and a step's share of it."""

import time
from collections.abc import Callable
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode


SIZES = (512, 1024, 2048)
REPEATS = 5


@cache
def matmul_peak() -> float:
    """Return the best of a few square products, operations per second; measured once a run."""
    return max(_rate(torch.randn(size, size)) for size in SIZES)


def _rate(matrix: torch.Tensor) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        begin = time.perf_counter()
        matrix @ matrix
        best = min(best, time.perf_counter() - begin)
    return 2 * matrix.shape[0] ** 3 / best


def operations(run: Callable[[], object]) -> int:
    """Count the operations of the matrix products of one call."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())
