"""A command on ranks whose rank 1 dies, or ends all, for tests: `... HOW`.

HOW is kill, raise, all or terminate; or a signal, which rank 1 sends to the launcher once rank 0 is
done, or to itself if it is SIGKILL.
"""

import os
import signal
import time

import torch

from pipeline.errors import TrainingError
from pipeline.processes.ranks import here
from stages.shell import console
from stages.shell.launch import on_ranks


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
        if how == "terminate":
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(60)
        raise TrainingError("rank 1 cannot go on")
    ranks.sum_gradients([torch.zeros(3)], 1.0)


if __name__ == "__main__":
    console.run(on_ranks(dying))
