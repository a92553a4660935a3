"""Workers and signals: no worker outlives its parent, one line says what happened."""

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

from pipeline.errors import ModelError
from pipeline.evaluation.records.prediction import Prediction
from pipeline.processes.journal import Journal
from pipeline.processes.parent import signals_held
from pipeline.processes.workers import Workers
from tests.support.jobs import JOBS, ignore, record
from tests.wiring.closure import ROOT


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
        with signals_held():
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
