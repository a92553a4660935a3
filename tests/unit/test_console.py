"""Errors that come from below Python, and Ctrl-C before a stage has begun: one line each."""

import errno
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages import console


ROOT = Path(__file__).parents[2]


def fails(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as ended:
        console.run(command)
    assert ended.value.code == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line(number, monkeypatch, capsys):
    fails(OSError(number, "full", "models/base"), monkeypatch)
    assert "no space left on the disk (models/base)" in capsys.readouterr().err


def test_any_other_failure_of_a_file_is_one_line(monkeypatch, capsys):
    fails(IsADirectoryError(21, "Is a directory", "params.yaml"), monkeypatch)
    assert capsys.readouterr().err == "error: params.yaml: Is a directory\n"


def test_ctrl_c_while_a_stage_still_imports_is_one_line():
    command = [sys.executable, "-m", "stages.train", "transfer", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    time.sleep(1.0)  # Python is up long before, torch is not imported yet
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.startswith("error: interrupted")
    assert err.count("\n") == 1
