"""Processes for tests: each a fork of a server that has imported torch and this project once."""

import os
import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from pipeline.processes.ranks import TIMEOUT, joined


SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(["tests.support.processes", "tests.conftest", "stages.meta_train"])


def start(
    target: Callable[..., None],
    *args: Any,
    folder: Path,
    ranks: int = 0,
    limit: timedelta = TIMEOUT,
) -> list[Any]:
    """Start `target(*args)` in `folder`: once, or on so many ranks, as torchrun would."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(ranks)}
    common["TORCHELASTIC_RUN_ID"] = "x"
    places = [common | {"RANK": str(rank)} for rank in range(ranks)] or [{}]
    processes = [
        SERVER.Process(target=_enter, args=(folder, e, limit, target, args)) for e in places
    ]
    for process in processes:
        process.start()
    return processes


def run(
    target: Callable[..., None],
    *args: Any,
    folder: Path,
    ranks: int = 0,
    limit: timedelta = TIMEOUT,
    patience: float = 300,
) -> list[int]:
    """Start, wait, return the exit codes; a process that hangs is killed after `patience` s."""
    processes = start(target, *args, folder=folder, ranks=ranks, limit=limit)
    for process in processes:
        process.join(patience)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def _enter(
    folder: Path, place: dict[str, str], limit: timedelta, target: Callable[..., None], args: Any
) -> None:
    os.chdir(folder)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))  # as a shell
    os.environ.pop("DVC_ROOT", None)
    os.environ.update(place)
    torch.set_num_threads(1)
    if place:
        with joined(limit):
            target(*args)
    else:
        target(*args)
