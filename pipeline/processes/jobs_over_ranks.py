"""Independent jobs shared out over ranks, as `pipeline/processes/workers.py` does over workers.

Each rank is one process that works off its share of what is left, for a minute at a time. Then all
ranks tell each other what they have finished, rank 0 keeps it in the journal, and the rest is
shared out anew: nobody waits long for a rank that is slower, and no machine has to see another's
files. The result depends neither on the number of ranks nor on who did which job.
"""

import time
from collections.abc import Sequence
from typing import Generic

import torch

from pipeline.processes.device import best_device
from pipeline.processes.journal import Journal
from pipeline.processes.ranks import Ranks
from pipeline.processes.workers import Job, MakeWork, Record, Work, chunks
from pipeline.progress import Advance


ROUND = 60.0  # seconds, after which no rank begins another job before it has told the others


class RankedJobs(Generic[Record]):
    """Runs jobs by `make_work()` on all ranks; every rank must call the same methods.

    Args:
        ranks: share the jobs.
        make_work: builds the function that turns jobs into records.
        journal: where rank 0 keeps finished jobs; the other ranks' is not read.
        at_once: jobs of one run that are handed over together.
    """

    def __init__(
        self,
        ranks: Ranks,
        make_work: MakeWork[Record],
        journal: Journal[Record],
        *,
        at_once: int = 1,
    ) -> None:
        self._ranks = ranks
        self._make_work = make_work
        self._work: Work[Record] | None = None  # made by the first job, which may take long
        self._journal = journal
        self._at_once = at_once
        self._done: dict[str, list[Record]] = {}
        self._learn(list(journal.load().items()) if ranks.first else [])

    def map(self, jobs: Sequence[Job], on_done: Advance) -> list[Record]:
        """Return all jobs' records, in the order of the jobs, on every rank.

        Raises:
            PipelineError: a job's own; those that all ranks know of stay in the journal.
            TrainingError: another rank has ended.
        """
        while left := [job for job in jobs if job.name not in self._done]:
            on_done(len(jobs) - len(left), "")
            for name, records in self._learn(self._a_round(self._ranks.share(left))):
                if self._ranks.first:
                    self._journal.append(name, records)
        on_done(len(jobs), "")
        return [record for job in jobs for record in self._done[job.name]]

    def _a_round(self, jobs: Sequence[Job]) -> list[tuple[str, list[Record]]]:
        """Work off jobs until the round is over; return what was finished, one chunk at least."""
        if best_device().type == "cpu":
            torch.set_num_threads(1)  # the same numbers for every number of ranks
        finished: list[tuple[str, list[Record]]] = []
        begin = time.monotonic()
        for chunk in chunks(jobs, self._at_once):
            self._work = self._work or self._make_work()
            results = self._work(chunk)
            finished += [(job.name, own) for job, own in zip(chunk, results, strict=True)]
            if time.monotonic() - begin > ROUND:
                break
        return finished

    def _learn(self, finished: list[tuple[str, list[Record]]]) -> list[tuple[str, list[Record]]]:
        """Tell the other ranks of finished jobs; return all ranks' new ones, and remember them."""
        own = [(name, [record.model_dump() for record in records]) for name, records in finished]
        parse = self._journal.kind.model_validate
        new = [
            (name, [parse(record) for record in records])
            for part in self._ranks.gather(own)
            for name, records in part
        ]
        self._done.update(new)
        return new
