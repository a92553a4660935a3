"""Spreading independent jobs over processes, resumable; the result depends on neither.

On a CPU the jobs of a small model are shared out to processes of one thread each, which is faster
than threads inside each product; on a GPU one process works them off, several at a time. Finished
jobs are kept in a journal outside the outs, so an interrupted run goes on where it stopped. No
worker outlives the process that started it, however that one ends.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from itertools import groupby
from typing import Any, Generic, Protocol, TypeVar

import torch
from pydantic import BaseModel

from pipeline.processes.cores import num_workers
from pipeline.processes.device import best_device
from pipeline.processes.journal import Journal
from pipeline.processes.parent import FORKS, pool, results
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

_work: MakeWork[Any]  # a worker's own: makes the function at the first call, then returns it


def _begin(make_work: MakeWork[Any]) -> None:
    """Prepare a worker. A spawned one builds its state at its first job, whose error is seen."""
    global _work
    torch.set_num_threads(1)
    _work = cache(make_work)


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
    """Yield a pool (`parent.pool`), or None where one process is right.

    Where processes are forked, the work is made before: what it has loaded, a model above all, is
    in memory once, and each worker has of its own what it writes.

    Raises:
        TrainingError: a worker was killed.
    """
    workers = num_workers()
    if best_device().type != "cpu" or workers == 1:
        yield None
        return
    if FORKS:
        # One thread before the first product: a fork would lack the others of OpenMP's pool.
        torch.set_num_threads(1)
        make_work = partial(_made, make_work())
    remedy = (
        f"set MAMLVIAPP_WORKERS to less than {workers}; finished jobs are kept, run the same "
        "command to go on"
    )
    with pool(workers, remedy, _begin, make_work) as made:
        yield made


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
        with _executor(self._make_work) as made:
            for job, records in self._results(made, list(chunks(todo, self._at_once))):
                self._journal.append(job.name, records)
                self._done[job.name] = records
                finished += 1
                on_done(finished, job.name)
        return [record for job in jobs for record in self._done[job.name]]

    def _results(
        self, made: ProcessPoolExecutor | None, chunks: Sequence[Jobs]
    ) -> Iterator[tuple[Job, list[Record]]]:
        if made is None:
            if best_device().type == "cpu":
                torch.set_num_threads(1)  # the same numbers for every number of workers
            work = self._make_work()
            for jobs in chunks:
                yield from zip(jobs, work(jobs), strict=True)
            return
        for jobs, records in results(made, _run, chunks):
            yield from zip(jobs, records, strict=True)
