"""Peak memory of one meta-step, each system in a process of its own.

`python -m benchmarks.memory SYSTEM LAYERS WIDTH HEADS VOCABULARY` prints the MiB that the resident
set rises above what it was with the model built. A process of its own, since an allocator that has
grown once hides what the next system needs. Linux only: the kernel keeps the peak.
"""

import subprocess
import sys
from pathlib import Path
from statistics import median

import torch

from benchmarks.allocations import peak_bytes
from benchmarks.dialogues import Size, same_dialogue_episode
from benchmarks.ours import Exact
from benchmarks.systems import LR, build


THREADS = 2
FURTHER = 3  # inner steps beyond the first


def measure(system: str, size: Size, runs: int) -> float:
    """Return the median over processes, MiB.

    Raises:
        subprocess.CalledProcessError: the system fails.
    """
    shape = (size.layers, size.width, size.heads, size.vocabulary)
    command = [sys.executable, "-m", "benchmarks.memory", system, *map(str, shape)]

    def once() -> float:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout.split()[-1])

    return median(once() for _ in range(runs))


def of_an_inner_step(size: Size, *, recompute: bool) -> float:
    """Return what a further inner step adds to the exact meta-step's peak, MiB: a mean of three.

    As torch's allocator counts; the first of them adds a copy of θ, whose θ̂_1 stands beside it.
    """
    first, last = (_peak_of_steps(size, steps, recompute=recompute) for steps in (1, FURTHER + 1))
    return (last - first) / FURTHER / 2**20


def _peak_of_steps(size: Size, steps: int, *, recompute: bool) -> int:
    exact = Exact(size, steps=steps, recompute=recompute)
    return peak_bytes(lambda: exact.meta_step([same_dialogue_episode(size, 0)], LR))


def _status(key: str) -> float:
    """Return a line of this process's status: `VmRSS` now, `VmHWM` at most since it was reset."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def _main(system: str, size: Size) -> None:
    torch.set_num_threads(THREADS)
    step = build(size, system)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets VmHWM
    before = _status("VmRSS")
    for _ in range(2):  # the second finds the first one's gradients there
        step.meta_step([same_dialogue_episode(size, 0)], LR)
    sys.stdout.write(f"{_status('VmHWM') - before}\n")


if __name__ == "__main__":
    _main(sys.argv[1], Size(*map(int, sys.argv[2:6])))
