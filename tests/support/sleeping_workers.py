"""A command whose workers sleep for ten minutes in their jobs, for tests: `... FOLDER`."""

import os
import threading
import time
from functools import partial
from pathlib import Path

from pipeline.evaluation.records.prediction import Prediction
from pipeline.processes.journal import Journal
from pipeline.processes.workers import Jobs, Work, Workers
from stages.shell import console
from tests.support.jobs import Job


def slow_start(folder: Path) -> None:
    """Make every worker start slowly, as on a busy machine, and say that it exists."""

    def started() -> None:
        (folder / f"forked-{os.getpid()}").touch()
        time.sleep(1)

    os.register_at_fork(after_in_child=started)


def make_work(folder: Path) -> Work:
    """Return work that says it has begun, and takes longer than a test waits."""

    def work(jobs: Jobs) -> list:
        (folder / f"begun-{os.getpid()}").touch()
        time.sleep(600)
        return [[] for _ in jobs]

    return work


def sleeping(folder: Path) -> None:
    """Give one job to each of some workers; one more worker stays idle, and so does a thread.

    It takes the signals that the main one blocks, as that of a terminal's progress bar does.
    """
    slow_start(folder)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    jobs = [Job(0, "test", index) for index in range(2)]
    Workers(partial(make_work, folder), Journal(Prediction, "a", {})).map(jobs, lambda *_: None)


if __name__ == "__main__":
    console.run(sleeping)
