"""Hardware comes from the machine, never from params.yaml: it is no reason to run again."""

import os

import torch


def best_device() -> torch.device:
    """Return the GPU if there is one (`CUDA_VISIBLE_DEVICES=` hides it), else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def num_workers() -> int:
    """Return how many processes may share work on a CPU; `MAMLVIAPP_WORKERS` overrides."""
    asked = os.environ.get("MAMLVIAPP_WORKERS", "")
    return int(asked) if asked.isdigit() and int(asked) > 0 else len(os.sched_getaffinity(0))
