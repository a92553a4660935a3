"""How much memory is free, and the refusal of a step that needs more. Numbers of bytes throughout.

Hardware decides nothing but whether a step is taken: no number depends on what is read here.
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from pipeline.errors import TrainingError
from pipeline.processes.cores import count_from_environment


# An estimate is within 0.8 to 1.3 of what is measured (docs/scale.md). What would fit is taken.
CERTAIN = 0.75
SYSTEM = Path("/")  # where proc and sys lie

_UNLIMITED = 1 << 60


def free_memory(device: torch.device) -> int | None:
    """Return what a process may still allocate on a device; null where the system does not tell."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free) + int(reserved)
    known = [value for value in (_of_machine(), _of_group()) if value is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    path = SYSTEM / "proc/meminfo"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kilobytes[0]) * 1024 if kilobytes else None


def _of_group() -> int | None:
    """Return what is left of a container's limit: control groups of version 2, or 1."""
    group = SYSTEM / "sys/fs/cgroup"
    for limit, used in (
        (group / "memory.max", group / "memory.current"),
        (group / "memory/memory.limit_in_bytes", group / "memory/memory.usage_in_bytes"),
    ):
        if limit.is_file() and used.is_file():
            most = limit.read_text(encoding="utf-8").strip()
            if most == "max" or int(most) >= _UNLIMITED:
                return None
            now = int(used.read_text(encoding="utf-8")) - _cached(limit.parent / "memory.stat")
            return max(0, int(most) - now)
    return None


def _cached(stat: Path) -> int:
    """Return what a group holds of files and would give back."""
    lines = stat.read_text(encoding="utf-8").splitlines() if stat.is_file() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def require_memory(what: str, need: int, device: torch.device, lowers: Sequence[str]) -> None:
    """Refuse work that does not fit, before it begins; `MAMLVIAPP_ANY_MEMORY=1` lets it try.

    Args:
        what: the work, as the message calls it.
        need: the estimate, beyond what is allocated.
        device: where.
        lowers: the settings that lower it, the one that changes no result first.

    Raises:
        TrainingError: it will not fit.
    """
    free = free_memory(device)
    if free is None or CERTAIN * need <= free or count_from_environment("MAMLVIAPP_ANY_MEMORY"):
        return
    raise TrainingError(
        f"{what} needs about {_shown(need)} of memory beyond the model, {_shown(free)} are free on "
        f"{device.type}; {'; or '.join(lowers)}; MAMLVIAPP_ANY_MEMORY=1 tries all the same"
    )


def _shown(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
