"""How many processes may share work on this machine. No torch."""

import os

from pipeline.errors import TrainingError, one_line


_DIGITS = 4  # of a number of processes: a slip of the finger must not fill the machine


def num_workers() -> int:
    """Return how many processes may share work on a CPU; `MAMLVIAPP_WORKERS` overrides.

    Raises:
        TrainingError: the variable is not a number of processes.
    """
    return count_from_environment("MAMLVIAPP_WORKERS") or _cores()


def count_from_environment(name: str) -> int | None:
    """Return a number that the user asks for; null where the variable is not set.

    Raises:
        TrainingError: it is not a whole number from 1 on, or has over 4 digits.
    """
    asked = os.environ.get(name, "")
    if not asked:
        return None
    if not (asked.isdecimal() and len(asked) <= _DIGITS and int(asked) > 0):
        raise TrainingError(
            f"{name}={one_line(repr(asked), 40)}: a whole number from 1 to {10**_DIGITS - 1} was "
            "expected"
        )
    return int(asked)


def _cores() -> int:
    """Return how many cores this process may use; not every system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
