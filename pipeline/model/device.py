"""Hardware comes from the machine, never from params.yaml: it is no reason to run again."""

import os

import torch


# Below this size sharing a product among threads costs more than it saves; above it, all cores.
_SMALL = 1_000_000


def best_device() -> torch.device:
    """Return the GPU if there is one (`CUDA_VISIBLE_DEVICES=` hides it), else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def num_workers() -> int:
    """Return how many processes may share work on a CPU; `MAMLVIAPP_WORKERS` overrides."""
    asked = os.environ.get("MAMLVIAPP_WORKERS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else len(os.sched_getaffinity(0))


def use_threads(num_parameters: int) -> None:
    """Let torch use one thread for a small model, else as many as `num_workers`.

    A small model's numbers then do not depend on the number of cores, either.
    """
    torch.set_num_threads(1 if num_parameters < _SMALL else num_workers())
