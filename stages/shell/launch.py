"""A stage's processes: one per GPU, as many as `MAMLVIAPP_RANKS` says, or the user's `torchrun`."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from tempfile import TemporaryDirectory
from typing import NoReturn
from uuid import uuid4

import torch
from torch import distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from pipeline.errors import DivergedError, TrainingError
from pipeline.learning.parallel.ranks import Ranks, joined
from pipeline.processes.cores import count_from_environment, num_workers
from pipeline.processes.device import best_device
from stages.shell.console import Terminated


# If every rank fails, only rank 0 prints the error. The others wait this long and are ended.
_FIRST_RANK_SPEAKS = 3.0  # seconds


def on_ranks(command: Callable[..., None]) -> Callable[..., None]:
    """Let a stage's command, run as `python -m MODULE ...`, run on all ranks.

    Under `torchrun` the process joins the others. Otherwise, with several ranks it
    starts them, as `torchrun` does. With one rank it calls the command.
    """

    @wraps(command)
    def wrapped(*args: object, **kwargs: object) -> None:
        if dist.is_torchelastic_launched():
            with joined() as ranks, _one_voice(ranks):
                command(*args, **kwargs)
        elif (count := num_ranks()) > 1:
            _torchrun(count)
        else:
            command(*args, **kwargs)

    return wrapped


def num_ranks() -> int:
    """Return how many processes share a stage: one per GPU; `MAMLVIAPP_RANKS` overrides.

    Raises:
        TrainingError: the variable is not a number of processes.
    """
    gpus = torch.cuda.device_count() if best_device().type == "cuda" else 1
    return count_from_environment("MAMLVIAPP_RANKS") or gpus


@contextmanager
def _one_voice(ranks: Ranks) -> Iterator[None]:
    """Let one rank alone print the error: the first that fails, or rank 0 if all fail."""
    try:
        yield
    except Exception:
        if not ranks.first:
            time.sleep(_FIRST_RANK_SPEAKS)
        raise
    except KeyboardInterrupt:
        if ranks.first:
            raise
        sys.exit(1)


def _torchrun(count: int) -> None:
    """Do as `torchrun --standalone --nproc-per-node COUNT -m MODULE ...`, without its messages.

    Raises:
        TrainingError: a rank was killed and printed no error.
        Terminated: SIGTERM; the ranks have ended.
    """
    logging.disable()  # it fills a screen about a failed rank; ours is a line
    os.environ["MAMLVIAPP_WORKERS"] = str(max(1, num_workers() // count))  # cores of each rank
    module = sys.modules["__main__"].__spec__
    assert module is not None, "stages are run by `python -m`"
    with TemporaryDirectory() as logs:
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            logs_specs=DefaultLogsSpecs(logs),
            run_id=uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
        )
        try:
            elastic_launch(config, sys.executable)("-m", module.name, *sys.argv[1:])
        except ChildFailedError as error:
            _fail(error)
        except SignalException as error:
            if error.sigval == signal.SIGTERM:
                raise Terminated from error  # its ranks were ended without a word
            sys.exit(1)  # rank 0 was told, and has said so


def _fail(error: ChildFailedError) -> NoReturn:
    rank, failure = error.get_first_failure()
    if failure.exitcode in (1, DivergedError.exit_code):
        sys.exit(failure.exitcode)  # the rank has said what was wrong
    how = f"killed by {failure.signal_name()}" if failure.exitcode < 0 else "ended without a word"
    raise TrainingError(
        f"rank {rank} was {how}; nothing half-written was kept, run the same command to go on"
    )
