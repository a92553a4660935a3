"""A stage ends with the program that started it, so that a later run never meets it at work."""

import os
import signal
import time
from pathlib import Path
from threading import Thread


_LOOKED_AFTER = 0.5  # seconds between two looks
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish")


def end_with_parent(started_by: int | None = None) -> None:
    """From now on, do what SIGTERM does once the parent has ended; in a thread, at no cost.

    If the parent is a shell, which waits for this process alone, its own parent counts as well.

    Args:
        started_by: the parent's number when this process began; null: as now. If it is another one
            by now, the parent has ended already.
    """
    starters = _starters()
    if started_by not in (None, starters[0]):
        starters = ()  # nobody's
    Thread(target=_watch, args=(starters,), daemon=True).start()


def _watch(starters: tuple[int, ...]) -> None:
    time.sleep(_LOOKED_AFTER)
    while _starters() == starters:
        time.sleep(_LOOKED_AFTER)
    os.kill(os.getpid(), signal.SIGTERM)


def _starters() -> tuple[int, ...]:
    """Return the parent's number, and where /proc shows that it is a shell that of its parent."""
    parent = os.getppid()
    try:
        name, _, rest = Path(f"/proc/{parent}/stat").read_text(encoding="utf-8").rpartition(")")
        if name.partition("(")[2] in _SHELLS:
            return parent, int(rest.split()[1])
    except (OSError, ValueError, IndexError):
        pass  # no /proc here, or the parent has just ended
    return (parent,)
