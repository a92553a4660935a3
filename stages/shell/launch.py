"""A stage's processes: one per GPU, as many as `MAMLVIAPP_RANKS` says, or the user's `torchrun`.

`MAMLVIAPP_LAUNCHER` names a command that starts them elsewhere, on a cluster for instance.
"""

import logging
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import NoReturn
from uuid import uuid4

import torch
from torch import distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from pipeline.errors import DivergedError, TrainingError, one_line
from pipeline.processes.cores import count_from_environment, num_workers
from pipeline.processes.device import best_device
from pipeline.processes.ranks import MEETING, TIMEOUT, joined
from stages import TERMINATED
from stages.shell.console import GO_ON, Terminated


# If every rank fails, only a machine's first prints the error. The others wait, and are ended.
_FIRST_RANK_SPEAKS = 3.0  # seconds
_speaks = Event()  # this rank has an error to print
_NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT")  # of torchrun
_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
_FINISHED = "MAMLVIAPP_FINISHED"  # names a file that rank 0 makes when its command has returned


def on_ranks(command: Callable[..., None], limit: timedelta = TIMEOUT) -> Callable[..., None]:
    """Let a stage's command, run as `python -m MODULE ...`, run on all ranks.

    Under `torchrun` the process joins the others. Otherwise it leaves all to the launcher, if there
    is one; with several ranks it starts them, as `torchrun` does; with one it calls the command.

    Args:
        command: the stage's.
        limit: how long a rank may wait for the others.
    """

    @wraps(command)
    def wrapped(*args: object, **kwargs: object) -> None:
        if dist.is_torchelastic_launched():
            _refuse_stray_variables()
            _speak_if_ended()
            with joined(limit) as ranks, _one_voice():
                command(*args, **kwargs)
                if ranks.first and (mark := os.environ.get(_FINISHED)):
                    Path(mark).touch()
        elif launcher := os.environ.get("MAMLVIAPP_LAUNCHER", ""):
            _elsewhere(launcher)
        elif (count := num_ranks()) > 1:
            _torchrun(count)
        else:
            command(*args, **kwargs)

    wrapped.__dict__["on_ranks"] = True  # for `console.run`
    return wrapped


def _refuse_stray_variables() -> None:
    """Refuse TORCHELASTIC_RUN_ID where the rest of what torchrun sets is missing.

    Raises:
        TrainingError: names the variable that is missing, or no number.
    """
    for name in _NUMBERS:
        if not (value := os.environ.get(name, "")).isdecimal():
            raise TrainingError(
                f"TORCHELASTIC_RUN_ID is set, as by torchrun, but {name}={one_line(value)} is no "
                "number; start the stage with torchrun, or unset TORCHELASTIC_RUN_ID"
            )


def _speak_if_ended() -> None:
    """Say a line if `torchrun` ends this rank, which it does when it has lost another machine.

    On one machine the rank that died, or who started it, says what was wrong. Ended is ended at
    once, in a thread: the main thread may hang in a sum with ranks that are gone.
    """
    one_machine = os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]
    if one_machine or os.environ["LOCAL_RANK"] != "0":
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # here and in threads to come
    Thread(target=_speak_at_sigterm, daemon=True).start()


def _speak_at_sigterm() -> None:
    signal.sigwait([signal.SIGTERM])
    if _speaks.is_set():
        time.sleep(_FIRST_RANK_SPEAKS)  # the main thread prints it, and ends this rank
    sys.stderr.write(
        f"error: rank {os.environ['RANK']}: ended by torchrun, which was ended or has lost another "
        f"rank or machine; {GO_ON}\n"
    )
    sys.stderr.flush()
    os._exit(TERMINATED)


def _elsewhere(launcher: str) -> None:
    """Run `LAUNCHER -m MODULE ...`, which starts the ranks, and end with its exit code.

    Raises:
        TrainingError: there is no such command.
    """
    try:
        words = [*shlex.split(launcher), "-m", _module(), *sys.argv[1:]]
        process = subprocess.Popen(words)
    except (OSError, ValueError) as error:  # ValueError: a quotation without end
        why = (isinstance(error, OSError) and error.strerror) or error
        raise TrainingError(
            f"MAMLVIAPP_LAUNCHER={one_line(launcher)}: cannot be run ({one_line(why)})"
        ) from error
    try:
        code = process.wait()
    except BaseException:
        process.terminate()  # it gives back what it has asked for
        process.wait()
        raise
    if code:
        sys.exit(code if code > 0 else 128 - code)


def _module() -> str:
    """Return the stage's module, NAME of `python -m NAME`."""
    module = sys.modules["__main__"].__spec__
    assert module is not None, "stages are run by `python -m`"
    return module.name


def num_ranks() -> int:
    """Return how many processes share a stage: one per GPU; `MAMLVIAPP_RANKS` overrides.

    Raises:
        TrainingError: the variable is not a number of processes.
    """
    gpus = torch.cuda.device_count() if best_device().type == "cuda" else 1
    return count_from_environment("MAMLVIAPP_RANKS") or gpus


@contextmanager
def _one_voice() -> Iterator[None]:
    """Let one rank of a machine print the error: the first that fails, or the first if all fail."""
    first = os.environ["LOCAL_RANK"] == "0"
    try:
        yield
    except Exception:
        if first:
            _speaks.set()
        else:
            time.sleep(_FIRST_RANK_SPEAKS)
        raise
    except KeyboardInterrupt:
        if first:
            raise
        sys.exit(1)


def _torchrun(count: int) -> None:
    """Do as `torchrun --standalone --nproc-per-node COUNT -m MODULE ...`, without its messages.

    A signal that comes when the work is done, and the ranks have only to end, changes nothing, be
    it for the launcher or for a rank.

    Raises:
        TrainingError: a rank was killed and printed no error.
        Terminated: SIGTERM; the ranks have ended.
    """
    logging.disable()  # it fills a screen about a failed rank; ours is a line
    os.environ["MAMLVIAPP_WORKERS"] = str(max(1, num_workers() // count))  # cores of each rank
    with TemporaryDirectory() as logs:
        finished = Path(logs) / "finished"
        os.environ[_FINISHED] = str(finished)
        _meet_in(Path(logs))
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            logs_specs=DefaultLogsSpecs(logs),
            run_id=uuid4().hex,
            rdzv_backend="c10d",
            rdzv_endpoint=str(Path(logs) / "rendezvous"),
            rdzv_configs={"store_type": "file"},
            local_addr="localhost",
            max_restarts=0,
            signals_to_handle=",".join(_heard()),
        )
        try:
            elastic_launch(config, sys.executable)("-m", _module(), *sys.argv[1:])
        except ChildFailedError as error:
            _, failure = error.get_first_failure()
            if not (finished.exists() and failure.exitcode < 0):
                _fail(error)
        except SignalException as error:
            if finished.exists():
                return
            if error.sigval == signal.SIGTERM:
                raise Terminated from error  # its ranks were ended without a word
            if error.sigval == signal.SIGINT:
                sys.exit(1)  # rank 0 was told, and has said so
            name = signal.Signals(error.sigval).name
            raise TrainingError(f"its ranks were ended by {name}; {GO_ON}") from error


def _heard() -> list[str]:
    """Return the signals that end the ranks: not SIGHUP under nohup, where torch would hear it."""
    heard = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]
    return [one.name for one in heard if signal.getsignal(one) != signal.SIG_IGN]


def _meet_in(private: Path) -> None:
    """Let the ranks meet by files of a private folder, and talk over the machine's own interface.

    torchrun and torch would open ports to everybody, and unpickle what comes in.
    """
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ[MEETING] = str(private / "meeting")
    names = {name for _, name in socket.if_nameindex()}
    if loopback := next((name for name in ("lo", "lo0") if name in names), None):
        for variable in _INTERFACES:
            os.environ.setdefault(variable, loopback)


def _fail(error: ChildFailedError) -> NoReturn:
    rank, failure = error.get_first_failure()
    if failure.exitcode in (1, DivergedError.exit_code):
        sys.exit(failure.exitcode)  # the rank has said what was wrong
    how = f"killed by {failure.signal_name()}" if failure.exitcode < 0 else "ended without a word"
    raise TrainingError(
        f"rank {rank} was {how}; nothing half-written was kept, run the same command to go on"
    )
