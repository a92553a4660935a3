"""A process ends with the program that started it, so that a later run never meets it at work.

A stage looks after its parent, and so does each worker of a pool that a stage has. No torch.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from pipeline.errors import TrainingError


WITH_STARTER = "MAMLVIAPP_WITH_STARTER"  # of the environment: the command ends with its parent
FORKS = sys.platform == "linux"  # else workers are spawned

_LOOKED_AFTER = 0.5  # seconds between two looks
_ENDING = (signal.SIGINT, signal.SIGTERM)
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "fish")

Item = TypeVar("Item")
Result = TypeVar("Result")


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


@contextmanager
def pool(
    workers: int, remedy: str, begin: Callable[..., object] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool whose workers end with this process; on an error no job in flight is awaited.

    Args:
        workers: how many processes, at most.
        remedy: what to do if one was killed, for the error.
        begin: prepares a worker, before its first job.
        arguments: of `begin`.

    Raises:
        TrainingError: a worker was killed.
    """
    with ProcessPoolExecutor(
        max_workers=workers,
        mp_context=get_context("fork" if FORKS else "spawn"),
        initializer=_start,
        initargs=(begin, *arguments),
    ) as made:
        try:
            yield made
        except BrokenProcessPool as error:
            raise TrainingError(
                f"one of {workers} worker processes was killed, for want of memory perhaps; "
                f"{remedy}"
            ) from error
        except BaseException:
            with signals_held():  # a second Ctrl-C: else it would leave workers to their jobs
                _kill_workers(made)
            raise


def results(
    made: ProcessPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[tuple[Item, Result]]:
    """Yield items with what a pool's workers make of them, as they are done."""
    with signals_held():
        futures = {made.submit(work, item): item for item in items}
    for future in _as_completed(futures):
        yield futures[future], future.result()


def _start(begin: Callable[..., object] | None, *arguments: Any) -> None:
    """Prepare a worker."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork has inherited the stage's own handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    Thread(target=_end_worker_with_parent, daemon=True).start()
    if begin is not None:
        begin(*arguments)


def _end_worker_with_parent() -> None:
    """End this worker when its parent has ended: it would wait for jobs for ever.

    The pool's own pipes do not tell, since every worker holds both ends. A sentinel's other end is
    held by the workers that were forked later, too, so they end from the last to the first.
    """
    parent = parent_process()
    assert parent is not None, "workers are started by multiprocessing"
    connection.wait([parent.sentinel])
    os._exit(1)


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM from what is started meanwhile; this thread gets them after.

    What must not be left half done, as a file that is written in place, is done under it, too.
    A worker answers neither before `_start` has said how: until then it would as the stage does.
    The pool's threads never do, so that the kernel does not give them what is the main thread's.
    Another thread may still take one, and its handler would run here, between two workers.
    """
    held: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    handlers = {number: signal.getsignal(number) for number in _ENDING}
    try:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, lambda number, _: held.append(number))
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # may itself run the handler of one
        yield
    finally:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if held:
            signal.raise_signal(held[0])


def _kill_workers(pool: ProcessPoolExecutor) -> None:
    """End a pool's processes: a job in flight may take minutes, and its result is not wanted.

    The pool's end awaits its thread, which gives up without workers. Were it not awaited, the
    interpreter's end could meet it while it closes its pipes, and fail with a traceback. Of a
    result that is cut off it would await the rest, if this process could still write it.
    """
    for process in [*pool._processes.values()]:  # `kill_workers` is there from Python 3.14 on
        process.kill()
    pool._result_queue._writer.close()  # type: ignore[attr-defined]  # private, and there


def _as_completed(futures: Iterable[Future[Result]]) -> Iterator[Future[Result]]:
    """Yield futures as they complete, and look up every second.

    A signal that another thread takes, one of torch's perhaps, does not wake this one, whose part
    it is to act on it: a wait without end, such as `concurrent.futures.as_completed`'s, would miss
    a Ctrl-C.
    """
    completed: SimpleQueue[Future[Result]] = SimpleQueue()
    left = 0
    for future in futures:
        future.add_done_callback(completed.put)
        left += 1
    while left:
        try:
            future = completed.get(timeout=1)
        except Empty:
            continue
        left -= 1
        yield future
