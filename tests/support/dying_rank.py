"""A command on ranks whose rank 1 dies, or ends all, for tests: `... HOW`.

HOW is kill, diverge, all, terminate or hangup; or listen, which prints where the processes listen
to others than this machine; or a signal, which rank 1 sends to the launcher once rank 0 is done, or
to itself if it is SIGKILL.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import torch

from pipeline.errors import DivergedError, TrainingError
from pipeline.processes.ranks import here
from stages.shell import console
from stages.shell.launch import on_ranks


# 127.x.x.x and ::1, also the first as the second writes it, in the order of the machine's bytes
LOOPBACK = ("0100007F", "0" * 24 + "01000000", "0000000000000000FFFF00000100007F")


def open_ports(pid: int) -> list[str]:
    """Return the addresses, as /proc has them, at which a process listens to other machines."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            inodes.add(str(entry.readlink()))
    places = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            address, state, inode = (line.split()[column] for column in (1, 3, 9))
            own = f"socket:[{inode}]" in inodes and state == "0A"  # listening
            if own and not address.startswith(LOOPBACK):
                places.append(address)
    return places


def listening() -> None:
    """Print what this rank, and who started it, have open to other machines."""
    here().barrier()
    if here().first:
        console.out.print(f"rank 0 of {here().size} has joined")
    places = [place for pid in (os.getpid(), os.getppid()) for place in open_ports(pid)]
    console.out.print(f"rank {here().rank}: {sorted(places)}")
    here().barrier()


def dying(how: str) -> None:
    """Join, then die on rank 1 (`all`: on every rank) while rank 0 waits; or end the launcher."""
    ranks = here()
    ranks.barrier()
    if ranks.first:
        console.out.print(f"rank 0 of {ranks.size} has joined")
    ranks.barrier()
    if how == "all":
        raise TrainingError("no rank can go on")
    if how in signal.Signals.__members__:
        if ranks.rank == 1:
            time.sleep(2)
            os.kill(os.getpid() if how == "SIGKILL" else os.getppid(), signal.Signals[how])
            time.sleep(60)
        return
    if ranks.rank == 1:
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how in ("terminate", "hangup"):
            os.kill(os.getppid(), signal.SIGTERM if how == "terminate" else signal.SIGHUP)
            time.sleep(3 if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else 60)
        raise (DivergedError if how == "diverge" else TrainingError)("rank 1 cannot go on")
    ranks.sum_gradients([torch.zeros(3)], 1.0)


def command(how: str) -> None:
    """Do as the module's own words say."""
    if how == "listen":
        listening()
    else:
        dying(how)


if __name__ == "__main__":
    console.run(on_ranks(command))
