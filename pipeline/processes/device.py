"""Hardware comes from the machine, never from params.yaml: it is no reason to run again."""

import torch

from pipeline.processes.cores import count_from_environment, num_workers


# Below this size sharing a product among threads costs more than it saves; above it, all cores.
_SMALL = 1_000_000


def best_device() -> torch.device:
    """Return the GPU if there is one (`CUDA_VISIBLE_DEVICES=` hides it), else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tasks_at_once(device: torch.device) -> int:
    """Return how many tasks may share a pass; `MAMLVIAPP_TASKS_AT_ONCE` overrides.

    A GPU has room to fill; on a CPU the wider pass only falls out of the caches.

    Raises:
        TrainingError: the variable is not a number of tasks.
    """
    on_gpu = 16 if device.type == "cuda" else 1
    return count_from_environment("MAMLVIAPP_TASKS_AT_ONCE") or on_gpu


def folds_at_once(device: torch.device) -> int:
    """Return how many folds may be adapted in one pass; `MAMLVIAPP_FOLDS_AT_ONCE` overrides.

    As `tasks_at_once`: a GPU has room to fill; a CPU is faster one by one.

    Raises:
        TrainingError: the variable is not a number of folds.
    """
    on_gpu = 16 if device.type == "cuda" else 1
    return count_from_environment("MAMLVIAPP_FOLDS_AT_ONCE") or on_gpu


def task_threads(device: torch.device) -> int:
    """Return how many tasks may be at work at once, each in a pass of its own.

    `MAMLVIAPP_TASK_THREADS` overrides: torch's threads on a CPU, and one where a GPU works anyway.

    Raises:
        TrainingError: the variable is not a number of threads.
    """
    on_cpu = torch.get_num_threads() if device.type == "cpu" else 1
    return count_from_environment("MAMLVIAPP_TASK_THREADS") or on_cpu


def recompute() -> bool:
    """Say whether inner steps' graphs are made again rather than kept; `MAMLVIAPP_RECOMPUTE=1`."""
    return bool(count_from_environment("MAMLVIAPP_RECOMPUTE"))


def use_threads(num_parameters: int) -> None:
    """Let torch use one thread for a small model, else as many as `num_workers`.

    A small model's numbers then do not depend on the number of cores, either.
    """
    torch.set_num_threads(1 if num_parameters < _SMALL else num_workers())
