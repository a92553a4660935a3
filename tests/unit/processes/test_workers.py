"""Jobs over processes: same records for any number of workers; interrupted runs go on."""

import functools
import os
import signal
import time

import pytest

from pipeline.errors import MissingFileError, ModelError, TrainingError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.processes import parent, workers
from pipeline.processes.journal import Journal
from pipeline.processes.workers import Workers
from tests.support.jobs import JOBS, ignore, record


def make_work(log, fails_at=None):
    def work(jobs):
        with log.open("a") as file:
            file.writelines(f"{job.name} {os.getpid()} {len(jobs)}\n" for job in jobs)
        if any(job.index == fails_at for job in jobs):
            raise ModelError("no")
        return [[record(job)] for job in jobs]

    return work


def names(log):
    return [line.split()[0] for line in log.read_text().splitlines()]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_records_come_in_the_order_of_the_jobs(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", workers)
    log = tmp_path / "log"
    run = Workers(functools.partial(make_work, log), Journal(Prediction, "a", {}))
    assert run.map(JOBS, ignore) == [record(job) for job in JOBS]
    assert sorted(names(log)) == sorted(job.name for job in JOBS)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_finished_jobs_are_not_done_again(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", workers)
    failing, log = tmp_path / "failing", tmp_path / "log"
    journal = Journal(Prediction, "a", {})
    with pytest.raises(ModelError, match="no"):
        Workers(functools.partial(make_work, failing, 3), journal).map(JOBS, ignore)
    done = set(journal.load())
    assert done
    with journal.path.open("ab") as file:
        file.write(b'{"job": "test/1/3", "rec')  # a line that a kill cut off
    records = Workers(functools.partial(make_work, log), journal).map(JOBS, ignore)
    assert records == [record(job) for job in JOBS]
    assert set(names(log)) == {job.name for job in JOBS} - done


@pytest.mark.parametrize("workers", ["1", "2"])
def test_jobs_of_one_run_can_be_handed_over_together(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", workers)
    log, journal = tmp_path / "log", Journal(Prediction, "a", {})
    journal.append(JOBS[1].name, [record(JOBS[1])])
    run = Workers(functools.partial(make_work, log), journal, at_once=3)
    assert run.map(JOBS, ignore) == [record(job) for job in JOBS]
    sizes = {line.split()[0]: int(line.split()[2]) for line in log.read_text().splitlines()}
    assert [sizes.get(job.name) for job in JOBS] == [3, None, 3, 3, 3, 3, 3, 1]
    assert journal.load().keys() == {job.name for job in JOBS}


@pytest.mark.parametrize("forks", [True, False])
def test_an_error_of_the_state_comes_back_as_it_is(forks, monkeypatch):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "2")
    monkeypatch.setattr(parent, "FORKS", forks)
    monkeypatch.setattr(workers, "FORKS", forks)
    with pytest.raises(MissingFileError, match="theta: not found"):
        Workers(without_model, Journal(Prediction, "a", {})).map(JOBS, ignore)


def without_model():
    raise MissingFileError("theta", "train")


def test_state_is_made_once_before_workers_are_forked(tmp_path, monkeypatch):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "2")
    log, made = tmp_path / "log", tmp_path / "made"
    journal = Journal(Prediction, "a", {})
    Workers(functools.partial(counted, made, log), journal).map(JOBS, ignore)
    assert made.read_text().split() == [str(os.getpid())]
    assert str(os.getpid()) not in {line.split()[1] for line in log.read_text().splitlines()}
    Workers(functools.partial(counted, made, log), journal).map(JOBS, ignore)
    assert made.read_text().split() == [str(os.getpid())], "all jobs were done: nothing is loaded"


def counted(made, log):
    with made.open("a") as file:
        file.write(f"{os.getpid()}\n")
    return make_work(log)


def test_a_worker_that_was_killed_is_one_line_and_nothing_is_lost(tmp_path, monkeypatch):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "2")
    journal = Journal(Prediction, "a", {})
    told = (
        r"2 worker processes was killed.*MAMLVIAPP_WORKERS to less than 2; finished jobs are kept"
    )
    with pytest.raises(TrainingError, match=told):
        Workers(killed, journal).map(JOBS, ignore)
    done = set(journal.load())
    assert JOBS[0].name in done
    log = tmp_path / "log"
    records = Workers(functools.partial(make_work, log), journal).map(JOBS, ignore)
    assert records == [record(job) for job in JOBS]
    assert set(names(log)) == {job.name for job in JOBS} - done


def killed():
    def work(jobs):
        if jobs[0] == JOBS[-1]:
            time.sleep(0.5)  # the others are done
            os.kill(os.getpid(), signal.SIGKILL)
        return [[record(job)] for job in jobs]

    return work
