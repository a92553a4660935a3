"""Jobs over processes: same records for any number of workers; interrupted runs go on."""

import functools
import os

import pytest

from pipeline.errors import ModelError
from pipeline.evaluation.persona_run import PersonaJob
from pipeline.evaluation.prediction import Prediction
from pipeline.evaluation.workers import Journal, Workers


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def record(job):
    return Prediction(
        task_id=f"t{job.index}",
        dialogue_id="d",
        turn=0,
        seed=job.seed,
        split="test",
        protocol="leave_one_out",
        k=1,
        epoch=0,
        nll=1 / 3,
        nll_end=0.1,
        num_tokens=2,
        num_words=2,
        reference="é",
    )


def make_work(log, fails_at=None):
    def work(job):
        with log.open("a") as file:
            file.write(f"{job.name} {os.getpid()}\n")
        if job.index == fails_at:
            raise ModelError("no")
        return [record(job)]

    return work


def ignore(*_):
    pass


JOBS = [PersonaJob(seed, "test", index, 1) for seed in (0, 1) for index in range(4)]


def names(log):
    return [line.split()[0] for line in log.read_text().splitlines()]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_records_come_in_the_order_of_the_jobs(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", workers)
    log = tmp_path / "log"
    run = Workers(functools.partial(make_work, log), Journal("a", {}))
    assert run.map(JOBS, ignore) == [record(job) for job in JOBS]
    assert sorted(names(log)) == sorted(job.name for job in JOBS)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_finished_jobs_are_not_done_again(tmp_path, monkeypatch, workers):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", workers)
    failing, log = tmp_path / "failing", tmp_path / "log"
    journal = Journal("a", {})
    with pytest.raises(ModelError, match="no"):
        Workers(functools.partial(make_work, failing, 3), journal).map(JOBS, ignore)
    done = set(journal.load())
    assert done
    with journal.path.open("ab") as file:
        file.write(b'{"job": "test/1/3/1", "rec')  # a line that a kill cut off
    records = Workers(functools.partial(make_work, log), journal).map(JOBS, ignore)
    assert records == [record(job) for job in JOBS]
    assert set(names(log)) == {job.name for job in JOBS} - done


def test_a_journal_belongs_to_its_inputs():
    assert Journal("a", {"params": "1"}).path != Journal("a", {"params": "2"}).path


def test_a_damaged_journal_is_named_and_removed(tmp_path):
    journal = Journal("a", {})
    journal.append("test/0/0/1", [record(JOBS[0])])
    journal.path.write_bytes(b'{"job": "test/0/0/1"}\n')
    with pytest.raises(ModelError, match="damaged journal; it was removed"):
        journal.load()
    assert journal.load() == {}
