"""Errors from below Python, Ctrl-C and SIGTERM, before a stage has begun, too: one line each."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DivergedError
from stages.shell import console
from stages.shell.arguments import Seed, VariantName
from stages.shell.progress.shown import progress
from tests.wiring.closure import ROOT


def fails(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def command() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as ended:
        console.run(command)
    assert ended.value.code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["transfer", "99999999999999999999"], str(2**63 - 1)),
        (["transfer", "-1"], "-1"),
        (["transfer", "x"], "integer"),
        (["transfer"], "Missing argument"),
        (["transfer", "1", "2"], "unexpected extra argument"),
    ],
)
def test_arguments_that_a_command_does_not_take_are_one_line(words, said, monkeypatch, capsys):
    def command(name: VariantName, seed: Seed) -> None:
        raise AssertionError("it was called")

    monkeypatch.setattr(sys, "argv", ["stage", *words])
    with pytest.raises(SystemExit) as ended:
        console.run(command)
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line(number, monkeypatch, capsys):
    fails(OSError(number, "full", "models/base"), monkeypatch)
    assert "no space left on the disk (models/base)" in capsys.readouterr().err


def test_any_other_failure_of_a_file_is_one_line(monkeypatch, capsys):
    fails(IsADirectoryError(21, "Is a directory", "params.yaml"), monkeypatch)
    assert capsys.readouterr().err == "error: params.yaml: Is a directory\n"


class OutOfMemoryError(RuntimeError):
    """As torch's, which is told by its name."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "out of memory; "),
        (
            OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total"),
            "out of memory (2.50 GiB more were asked for); ",
        ),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: not enough memory: "
                "you tried to allocate 8000 bytes."
            ),
            "out of memory (8000 bytes more were asked for); ",
        ),
    ],
)
def test_memory_that_ran_out_is_one_line_with_its_remedies(error, said, monkeypatch, capsys):
    fails(error, monkeypatch)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {said}")
    for remedy in ("TASKS_AT_ONCE", "FOLDS_AT_ONCE", "RECOMPUTE=1"):
        assert f"MAMLVIAPP_{remedy}" in line


def test_a_divergence_says_variant_seed_step_and_task(monkeypatch, capsys):
    def command() -> None:
        with progress("meta_train in_place 0", 9):
            raise DivergedError("step 7: task train-3: a loss is nan; lower inner_lr")

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as ended:
        console.run(command)
    assert ended.value.code == 3
    expected = "error: meta_train in_place 0: step 7: task train-3: a loss is nan; lower inner_lr\n"
    assert capsys.readouterr().err == expected


def test_compiled_code_that_gives_up_is_one_line(monkeypatch, capsys):
    class PanicException(BaseException):
        """As `tokenizers` raises it."""

    fails(PanicException("Onig: retry-limit-in-match over"), monkeypatch)
    err = capsys.readouterr().err
    assert err.startswith("error: a compiled library gave up (Onig: retry-limit-in-match over)")
    assert err.count("\n") == 1


def test_another_error_keeps_its_traceback(monkeypatch):
    def command() -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        console.run(command)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGINT, 1, "error: interrupted"), (signal.SIGTERM, 143, "error: terminated")],
)
def test_being_ended_while_a_stage_still_imports_is_one_line(number, code, said):
    command = [sys.executable, "-m", "stages.train", "transfer", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    time.sleep(1.0)  # Python is up long before, torch is not imported yet
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert err.startswith(said)
    assert err.count("\n") == 1


def test_sigterm_tidies_up_as_ctrl_c_does(tmp_path, monkeypatch, capsys):
    """As a command does it, `console.run` included."""

    def command() -> None:
        with artifacts.atomic_path(tmp_path / "out") as partial:
            partial.write_text("half")
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(sys, "argv", ["stage"])
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with pytest.raises(SystemExit) as ended:
            console.run(command)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 143
    assert capsys.readouterr().err.startswith("error: terminated; nothing half-written was kept")
    assert list(tmp_path.iterdir()) == []


def test_a_note_is_one_line_and_nothing_is_none(capsys):
    console.note("")
    console.note("x.jsonl: [2] lines")
    assert capsys.readouterr().err == "note: x.jsonl: [2] lines\n"


@pytest.mark.parametrize("variable", ["DVC_STAGE", "TORCHELASTIC_RUN_ID", "MAMLVIAPP_WITH_STARTER"])
def test_a_command_ends_with_the_program_that_started_it(variable, tmp_path):
    """A rank would otherwise wait for ranks that a killed launcher never starts."""
    child = (
        "import os, time; from stages.shell import console\n"
        "def command() -> None:\n"
        "    open('up', 'w').write(str(os.getpid())); time.sleep(60)\n"
        "console.run(command)"
    )
    parent = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]).wait()"
    starter = subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), variable: "x"},
        stderr=subprocess.DEVNULL,
    )
    up = tmp_path / "up"
    until(lambda: up.exists() and up.read_text())
    starter.kill()
    starter.wait()
    until(lambda: not is_alive(int(up.read_text())))


def test_no_memory_for_a_thread_is_one_line(monkeypatch, capsys):
    def no_thread(_: int) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setenv("DVC_STAGE", "x")
    monkeypatch.setattr(console, "end_with_parent", no_thread)
    with pytest.raises(SystemExit) as ended:
        console.run(lambda: None)
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("error: out of memory; free some, or ")


def until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(number):
    return Path(f"/proc/{number}").exists()
