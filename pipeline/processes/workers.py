"""Spreading independent jobs over processes, resumable; the result depends on neither.

On a CPU the jobs of a small model are shared out to processes of one thread each, which is faster
than threads inside each product; on a GPU one process works them off, several at a time. Finished
jobs are kept in a journal outside the outs, so an interrupted run goes on where it stopped. No
worker outlives the process that started it, however that one ends.
"""

import os
import signal
import sys
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, partial
from itertools import groupby
from multiprocessing import connection, get_context, parent_process
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, Protocol, TypeVar

import torch
from pydantic import BaseModel

from pipeline.errors import TrainingError
from pipeline.processes.cores import num_workers
from pipeline.processes.device import best_device
from pipeline.processes.journal import Journal
from pipeline.progress import Advance


class Job(Protocol):
    """A piece of work that does not depend on any other."""

    @property
    def name(self) -> str:
        """Name the job, uniquely in a run."""
        ...

    @property
    def run(self) -> Hashable:
        """What jobs have in common that can be worked off together."""
        ...


Record = TypeVar("Record", bound=BaseModel)
Jobs = Sequence[Any]
Work = Callable[[Jobs], list[list[Record]]]  # of jobs of one run, each job's records
MakeWork = Callable[[], Work[Record]]
Result = Future[list[list[Record]]]

_ENDING = (signal.SIGINT, signal.SIGTERM)

_work: MakeWork[Any]  # a worker's own: makes the function at the first call, then returns it


def _start(make_work: MakeWork[Any]) -> None:
    """Prepare a worker. A spawned one builds its state at its first job, whose error is seen."""
    global _work
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork has inherited the stage's own handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _work = cache(make_work)


def _end_with_parent() -> None:
    """End this worker when its parent has ended: it would wait for jobs for ever.

    The pool's own pipes do not tell, since every worker holds both ends. A sentinel's other end is
    held by the workers that were forked later, too, so they end from the last to the first.
    """
    parent = parent_process()
    assert parent is not None, "workers are started by multiprocessing"
    connection.wait([parent.sentinel])
    os._exit(1)


def _run(jobs: Jobs) -> list[list[Any]]:
    return _work()(jobs)


def chunks(jobs: Jobs, size: int) -> Iterator[Jobs]:
    """Yield up to `size` consecutive jobs of one run at a time."""
    for _, run in groupby(jobs, key=lambda job: job.run):
        own = list(run)
        for first in range(0, len(own), size):
            yield own[first : first + size]


def _made(work: Work[Any]) -> Work[Any]:
    return work


@contextmanager
def _executor(make_work: MakeWork[Any]) -> Iterator[ProcessPoolExecutor | None]:
    """Yield a pool, or None where one process is right; on an error no job in flight is awaited.

    Where processes are forked, the work is made before: what it has loaded, a model above all, is
    in memory once, and each worker has of its own what it writes.

    Raises:
        TrainingError: a worker was killed.
    """
    workers = num_workers()
    if best_device().type != "cpu" or workers == 1:
        yield None
        return
    method = "fork" if sys.platform == "linux" else "spawn"
    if method == "fork":
        # One thread before the first product: a fork would lack the others of OpenMP's pool.
        torch.set_num_threads(1)
        make_work = partial(_made, make_work())
    with ProcessPoolExecutor(
        max_workers=workers,
        mp_context=get_context(method),
        initializer=_start,
        initargs=(make_work,),
    ) as pool:
        try:
            yield pool
        except BrokenProcessPool as error:
            raise TrainingError(
                f"one of {workers} worker processes was killed, for want of memory perhaps; set "
                f"MAMLVIAPP_WORKERS to less than {workers}; finished jobs are kept, run the same "
                "command to go on"
            ) from error
        except BaseException:
            with _signals_held():  # a second Ctrl-C: else it would leave workers to their jobs
                _kill_workers(pool)
            raise


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM from what is started meanwhile; this thread gets them after.

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


class Workers(Generic[Record]):
    """Runs jobs by `make_work()`, which is called once, or once in each process that is spawned.

    Args:
        make_work: builds the function that turns jobs into records; must be picklable where
            processes are spawned.
        journal: where finished jobs are kept.
        at_once: jobs of one run that are handed over together.
    """

    def __init__(
        self, make_work: MakeWork[Record], journal: Journal[Record], *, at_once: int = 1
    ) -> None:
        self._make_work = make_work
        self._journal = journal
        self._at_once = at_once
        self._done = journal.load()

    def map(self, jobs: Sequence[Job], on_done: Advance) -> list[Record]:
        """Return all jobs' records, in the order of the jobs.

        Raises:
            PipelineError: a job's own; the finished ones stay in the journal.
            TrainingError: a worker was killed; the same.
        """
        todo = [job for job in jobs if job.name not in self._done]
        finished = len(jobs) - len(todo)
        on_done(finished, "")
        if not todo:
            return [record for job in jobs for record in self._done[job.name]]
        with _executor(self._make_work) as pool:
            for job, records in self._results(pool, list(chunks(todo, self._at_once))):
                self._journal.append(job.name, records)
                self._done[job.name] = records
                finished += 1
                on_done(finished, job.name)
        return [record for job in jobs for record in self._done[job.name]]

    def _results(
        self, pool: ProcessPoolExecutor | None, chunks: Sequence[Jobs]
    ) -> Iterator[tuple[Job, list[Record]]]:
        if pool is None:
            if best_device().type == "cpu":
                torch.set_num_threads(1)  # the same numbers for every number of workers
            work = self._make_work()
            for jobs in chunks:
                yield from zip(jobs, work(jobs), strict=True)
            return
        with _signals_held():
            futures = {pool.submit(_run, jobs): jobs for jobs in chunks}
        for future in _as_completed(futures):
            yield from zip(futures[future], future.result(), strict=True)


def _as_completed(futures: Collection[Result[Any]]) -> Iterator[Result[Any]]:
    """Yield futures as they complete, and look up every second.

    A signal that another thread takes, one of torch's perhaps, does not wake this one, whose part
    it is to act on it: a wait without end, such as `concurrent.futures.as_completed`'s, would miss
    a Ctrl-C.
    """
    completed: SimpleQueue[Result[Any]] = SimpleQueue()
    for future in futures:
        future.add_done_callback(completed.put)
    left = len(futures)
    while left:
        try:
            future = completed.get(timeout=1)
        except Empty:
            continue
        left -= 1
        yield future
