"""Jobs over processes: same records for any number of workers; interrupted runs go on."""

import contextlib
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pipeline.errors import MissingFileError, ModelError, TrainingError
from pipeline.evaluation.predict.persona import PersonaJob
from pipeline.evaluation.records.prediction import Prediction
from pipeline.processes.journal import Journal
from pipeline.processes.workers import Workers, _signals_held
from tests.wiring.closure import ROOT


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
    def work(jobs):
        with log.open("a") as file:
            file.writelines(f"{job.name} {os.getpid()} {len(jobs)}\n" for job in jobs)
        if any(job.index == fails_at for job in jobs):
            raise ModelError("no")
        return [[record(job)] for job in jobs]

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
        file.write(b'{"job": "test/1/3/1", "rec')  # a line that a kill cut off
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


def test_an_error_of_the_state_comes_back_as_it_is(monkeypatch):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "2")
    with pytest.raises(MissingFileError, match="theta: not found"):
        Workers(without_model, Journal(Prediction, "a", {})).map(JOBS, ignore)


def without_model():
    raise MissingFileError("theta", "train")


def test_state_is_made_once_in_a_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "2")
    log, made = tmp_path / "log", tmp_path / "made"
    Workers(functools.partial(counted, made, log), Journal(Prediction, "a", {})).map(JOBS, ignore)
    pids = made.read_text().split()
    assert len(pids) == len(set(pids)) <= 2


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


def test_an_error_does_not_wait_for_jobs_in_flight(monkeypatch):
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "2")
    begun, threads = time.monotonic(), set(threading.enumerate())
    with pytest.raises(ModelError, match="no"):
        Workers(slow_but_one, Journal(Prediction, "a", {})).map(JOBS, ignore)
    assert time.monotonic() - begun < 20
    assert not multiprocessing.active_children()  # the command would wait for them at its end
    assert set(threading.enumerate()) <= threads  # the pool's might fail there, with a traceback


def slow_but_one():
    def work(jobs):
        if jobs[0] == JOBS[1]:
            raise ModelError("no")
        time.sleep(40)
        return [[record(job)] for job in jobs]

    return work


def test_a_signal_that_another_thread_takes_is_acted_on(monkeypatch, tmp_path):
    """The kernel gives Ctrl-C to any of them, where the process was stopped for one."""
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "2")
    interrupted = None

    def interrupt():
        nonlocal interrupted
        while not any(tmp_path.glob("begun-*")):
            time.sleep(0.05)
        time.sleep(1)  # until the main thread waits for results
        interrupted = time.monotonic()
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            Workers(functools.partial(make_sleep, tmp_path), Journal(Prediction, "a", {})).map(
                JOBS[:2], ignore
            )
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - interrupted < 20


def make_sleep(folder):
    def work(jobs):
        (folder / f"begun-{os.getpid()}").touch()
        time.sleep(40)
        return [[record(job)] for job in jobs]

    return work


def test_a_signal_waits_until_the_workers_are_there():
    """Whichever thread takes it, a progress bar's for one."""
    before, mask = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    started = []

    def start():
        with _signals_held():
            taker = threading.Thread(target=interrupt)
            taker.start()
            taker.join()
            time.sleep(0.1)
            started.append(True)

    def interrupt():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])  # as one from before has it
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert started
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_a_result_that_is_cut_off_is_not_awaited(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.failing_workers"],
        cwd=tmp_path,
        env=os.environ | {"MAMLVIAPP_WORKERS": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "error: no\n")


@pytest.mark.parametrize(("sign", "count"), [("forked", 3), ("begun", 2)])
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGKILL, -signal.SIGKILL, None),
        (signal.SIGTERM, 143, "error: terminated; nothing half-written was kept"),
        (signal.SIGINT, 1, "error: interrupted; nothing half-written was kept"),
    ],
)
def test_no_worker_outlives_its_parent_or_has_a_word_of_its_own(
    tmp_path, number, code, said, sign, count
):
    """They hold its stderr, which ends with the last of them."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.sleeping_workers", str(tmp_path)],
        env=os.environ | {"MAMLVIAPP_WORKERS": "3", "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + 300  # on a busy machine it imports slowly
            while len(list(tmp_path.glob(f"{sign}-*"))) < count:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            if number == signal.SIGINT:  # a terminal's Ctrl-C reaches the whole group
                process.send_signal(signal.SIGSTOP)  # too slow to end its workers before they speak
                os.killpg(process.pid, number)
                time.sleep(1)
                process.send_signal(signal.SIGCONT)
            else:
                process.send_signal(number)
            _, err = process.communicate(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == code
    if said is None:
        assert err == ""
    else:
        (line,) = err.splitlines()
        assert line.startswith(said)
