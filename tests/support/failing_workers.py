"""A command one of whose workers fails while others hand over large results, for tests."""

from pipeline.errors import ModelError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.processes.journal import Journal
from pipeline.processes.workers import Jobs, Work, Workers
from stages.shell import console
from tests.support.jobs import Job
from tests.support.prediction_builder import a_prediction


def make_work() -> Work:
    """Return work whose records are far larger than a pipe's buffer."""
    large = a_prediction(reference="x" * 3_000_000)

    def work(jobs: Jobs) -> list:
        if jobs[0].index == 13:
            raise ModelError("no")
        return [[large] for _ in jobs]

    return work


def failing() -> None:
    """Give jobs to workers, of which one fails while the others write."""
    jobs = [Job(0, "test", index) for index in range(40)]
    Workers(make_work, Journal(Prediction, "a", {})).map(jobs, lambda *_: None)


if __name__ == "__main__":
    console.run(failing)
