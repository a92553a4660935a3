"""A stage's processes: a rank that dies ends them all with one line, within a minute."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import TrainingError
from stages.shell import launch
from stages.shell.launch import num_ranks, on_ranks
from tests.wiring.closure import ROOT


@pytest.fixture(autouse=True)
def with_a_terminal():
    """Let SIGHUP end a process, which inherits it, though these tests may run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def on_two_ranks(folder, how):
    return subprocess.run(
        [sys.executable, "-m", "tests.support.dying_rank", how],
        env=os.environ | {"MAMLVIAPP_RANKS": "2", "PYTHONPATH": str(ROOT)},
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize(
    ("how", "code", "expected"),
    [
        ("kill", 1, "error: rank 1 was killed by SIGKILL; nothing half-written was kept"),
        ("diverge", 3, "error: rank 1 cannot go on"),
        ("all", 1, "error: no rank can go on"),
        ("terminate", 143, "error: terminated; nothing half-written was kept"),
        ("hangup", 1, "error: its ranks were ended by SIGHUP; nothing half-written was kept"),
    ],
)
def test_a_rank_that_dies_ends_the_run_with_one_line(tmp_path, how, code, expected):
    begin = time.monotonic()
    done = on_two_ranks(tmp_path, how)
    assert time.monotonic() - begin < 60
    assert done.returncode == code
    assert done.stdout.splitlines() == ["rank 0 of 2 has joined"]
    (line,) = done.stderr.splitlines()
    assert line.startswith(expected)


def test_under_nohup_the_end_of_a_terminal_ends_no_rank(tmp_path):
    """Rank 1 goes on to its own error, 3 seconds later."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    done = on_two_ranks(tmp_path, "hangup")
    assert (done.returncode, done.stderr) == (1, "error: rank 1 cannot go on\n")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux says who listens")
def test_ranks_of_one_machine_listen_to_nobody_else(tmp_path):
    """torch unpickles what comes in at the port at which ranks meet."""
    done = on_two_ranks(tmp_path, "listen")
    assert (done.returncode, done.stderr) == (0, "")
    said = sorted(done.stdout.splitlines())
    assert said == ["rank 0 of 2 has joined", "rank 0: []", "rank 1: []"]


def test_ranks_of_one_machine_talk_over_its_own_interface_unless_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "environ", {"NCCL_SOCKET_IFNAME": "eth7"})
    launch._meet_in(tmp_path)
    assert os.environ["GLOO_SOCKET_IFNAME"].startswith("lo")
    assert os.environ["NCCL_SOCKET_IFNAME"] == "eth7"


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGKILL"])
def test_a_signal_after_the_work_is_done_makes_it_no_failure(tmp_path, number):
    """DVC would remove what is whole, and do it again."""
    done = on_two_ranks(tmp_path, number)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("asked", ["0", "-1", "two"])
def test_a_number_of_ranks_that_is_none_is_refused(monkeypatch, asked):
    monkeypatch.setenv("MAMLVIAPP_RANKS", asked)
    with pytest.raises(TrainingError, match=f"MAMLVIAPP_RANKS='{asked}': a whole number"):
        num_ranks()


@pytest.mark.parametrize("rank", [None, "", "two"])
def test_a_stray_variable_of_torchrun_is_named(monkeypatch, rank):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    with pytest.raises(TrainingError, match=rf"RANK={rank or ''} is no number; .*unset TORCHELAS"):
        on_ranks(lambda: None)()
