"""Machines for tests: agents of torchrun that meet at 127.0.0.1, each with its own address."""

import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from stages.shell import console
from stages.shell.launch import on_ranks
from tests.support.processes import SERVER


@dataclass(frozen=True)
class Ended:
    """How a machine's agent ended; `errors` are its ranks' lines."""

    code: int
    errors: list[str]
    seconds: float


def on_hosts(target: Callable[..., None], *args: Any, folders: Sequence[Path]) -> list[Ended]:
    """Run `target(*args)` under `on_ranks` on a machine for each folder, one rank on each."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    begin = time.monotonic()
    processes = [
        SERVER.Process(target=_agent, args=(number, len(folders), port, folder, target, args))
        for number, folder in enumerate(folders)
    ]
    for process in processes:
        process.start()
    ended = []
    for number, (process, folder) in enumerate(zip(processes, folders, strict=True)):
        process.join(120)
        process.kill()
        process.join()
        text = _errors(folder, number).read_text()
        lines = [line for line in text.splitlines() if line.startswith("error: ")]
        ended.append(Ended(process.exitcode, lines, time.monotonic() - begin))
    return ended


def lose_this_host() -> None:
    """End this rank's machine as a power cut does: agent and rank, without a word."""
    os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _errors(folder: Path, number: int) -> Path:
    return folder / f"errors-{number}.txt"


def _agent(
    number: int, count: int, port: int, folder: Path, target: Callable[..., None], args: Any
) -> None:
    """Do as `torchrun --nnodes COUNT --nproc-per-node 1 --local-addr 127.0.0.N` does."""
    os.chdir(folder)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))  # as a shell
    os.environ.pop("DVC_ROOT", None)
    os.environ["OMP_NUM_THREADS"] = "1"
    descriptor = os.open(_errors(folder, number), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 2)
    with TemporaryDirectory() as logs:
        config = LaunchConfig(
            min_nodes=count,
            max_nodes=count,
            nproc_per_node=1,
            logs_specs=DefaultLogsSpecs(logs),
            run_id="test",
            rdzv_backend="c10d",
            rdzv_endpoint=f"127.0.0.1:{port}",
            rdzv_configs={"is_host": number == 0},
            local_addr=f"127.0.0.{number + 1}",
            max_restarts=0,
            start_method="fork",
            monitor_interval=0.1,
        )
        try:
            elastic_launch(config, _rank)(target, args)
        except ChildFailedError as error:
            raise SystemExit(error.get_first_failure()[1].exitcode) from None


def _rank(target: Callable[..., None], args: Any) -> None:
    with console._one_line_errors():
        on_ranks(target)(*args)
