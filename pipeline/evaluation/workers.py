"""Spreading independent jobs over processes, resumable; the result depends on neither.

On a CPU the jobs of a small model are shared out to processes of one thread each, which is faster
than threads inside each product; on a GPU one process works them off. Finished jobs are kept in a
journal outside the outs, so an interrupted run goes on where it stopped.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import torch

from pipeline import artifacts
from pipeline.errors import ModelError
from pipeline.evaluation.persona_run import PersonaJob
from pipeline.evaluation.prediction import Prediction
from pipeline.model.checkpoint import fingerprint
from pipeline.model.device import best_device, num_workers


Work = Callable[[PersonaJob], list[Prediction]]
MakeWork = Callable[[], Work]
OnDone = Callable[[int, str], None]  # (jobs done, the last one's name)


class Journal:
    """Results of finished jobs, one line each, appended as they come."""

    def __init__(self, stage: str, parts: dict[str, str]) -> None:
        root = Path(os.environ.get("DVC_ROOT", ""))
        self.path = root / artifacts.CHECKPOINTS / f"{stage}-{fingerprint(parts)}.jsonl"

    def load(self) -> dict[str, list[Prediction]]:
        """Return what is there; a line cut off by a kill is dropped, its job is done again.

        Raises:
            ModelError: a whole line is damaged. The journal is removed first: the same command
                then starts from the beginning.
        """
        found: dict[str, list[Prediction]] = {}
        if not self.path.is_file():
            return found
        lines = self.path.read_bytes().split(b"\n")
        for line in lines[:-1]:  # what follows the last newline was never finished
            try:
                entry = json.loads(line)
                found[entry["job"]] = [Prediction.model_validate(r) for r in entry["records"]]
            except (ValueError, KeyError, TypeError) as error:
                self.delete()
                raise ModelError(
                    f"{self.path}: damaged journal; it was removed, "
                    "run the same command again to start from the beginning"
                ) from error
        if lines[-1]:
            self.path.write_bytes(b"".join(line + b"\n" for line in lines[:-1]))
        return found

    def append(self, job: str, records: Sequence[Prediction]) -> None:
        """Add one finished job."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        entry = {"job": job, "records": [record.model_dump() for record in records]}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def delete(self) -> None:
        """Remove the journal: the out is written."""
        self.path.unlink(missing_ok=True)


_work: Work


def _start(make_work: MakeWork) -> None:
    global _work
    torch.set_num_threads(1)
    _work = make_work()


def _run(job: PersonaJob) -> list[Prediction]:
    return _work(job)


@contextmanager
def _executor(make_work: MakeWork) -> Iterator[ProcessPoolExecutor | None]:
    """Yield a pool, or None where one process is right."""
    workers = num_workers()
    if best_device().type != "cpu" or workers == 1:
        yield None
        return
    method = "fork" if sys.platform == "linux" else "spawn"
    with ProcessPoolExecutor(
        max_workers=workers,
        mp_context=get_context(method),
        initializer=_start,
        initargs=(make_work,),
    ) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class Workers:
    """Runs jobs by `make_work()`, which is called once in each process.

    Args:
        make_work: builds the function that turns a job into records; must be picklable where
            processes are spawned.
        journal: where finished jobs are kept.
    """

    def __init__(self, make_work: MakeWork, journal: Journal) -> None:
        self._make_work = make_work
        self._journal = journal
        self._done = journal.load()

    def map(
        self, jobs: Sequence[PersonaJob], on_done: Callable[[int, str], None]
    ) -> list[Prediction]:
        """Return all jobs' records, in the order of the jobs.

        Raises:
            PipelineError: a job's own; the finished ones stay in the journal.
        """
        todo = [job for job in jobs if job.name not in self._done]
        finished = len(jobs) - len(todo)
        on_done(finished, "")
        with _executor(self._make_work) as pool:
            for name, records in self._results(pool, todo):
                self._journal.append(name, records)
                self._done[name] = records
                finished += 1
                on_done(finished, name)
        return [record for job in jobs for record in self._done[job.name]]

    def _results(
        self, pool: ProcessPoolExecutor | None, jobs: Sequence[PersonaJob]
    ) -> Iterator[tuple[str, list[Prediction]]]:
        if pool is None:
            if best_device().type == "cpu":
                torch.set_num_threads(1)  # the same numbers for every number of workers
            work = self._make_work()
            for job in jobs:
                yield job.name, work(job)
            return
        futures = {pool.submit(_run, job): job.name for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
