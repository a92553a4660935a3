"""A stage's command, as a fork of the server and as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import connection, forkserver
from threading import Thread

import pytest

from stages.shell import stage_process
from stages.shell.stage_process import PRELOADED, Command, Processes
from tests.wiring.closure import ROOT


# The server is used on Linux alone.
ways = pytest.mark.parametrize("served", [True, False] if sys.platform == "linux" else [False])


@pytest.fixture(autouse=True)
def without_torch(monkeypatch):
    monkeypatch.setattr(stage_process, "PRELOADED", ())
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in stage_process._MALLOC:
        monkeypatch.setenv(name, "65536000")


def command(line, folder=ROOT, **environ):
    return Command(line, str(folder), environ)


@ways
def test_output_and_exit_code_are_the_commands(tmp_path, served):
    output = tmp_path / "out"
    process = Processes(served=served).start(command("python -m stages.table --help"), output)
    assert process.wait() == 0
    assert "Usage" in output.read_text()
    process = Processes(served=served).start(
        command("python -m stages.score adapters", tmp_path), output
    )
    assert process.wait() == 1
    assert output.read_text().startswith("error: params.yaml: not found")


@ways
def test_any_other_command_is_run_by_the_shell(tmp_path, served):
    line = 'echo "$MAMLVIAPP_WORKERS in $PWD" && exit 7'
    process = Processes(served=served).start(
        command(line, tmp_path, MAMLVIAPP_WORKERS="3"), tmp_path / "out"
    )
    assert process.wait() == 7
    assert (tmp_path / "out").read_text() == f"3 in {tmp_path}\n"


@ways
@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_a_stage_can_be_ended(tmp_path, served, end):
    output = tmp_path / "out"
    many = "1, " * 900_000
    (tmp_path / "params.yaml").write_text(f"x: [{many}1]\n")  # read for many seconds
    process = Processes(served=served).start(
        command("python -m stages.score adapters", tmp_path), output
    )
    time.sleep(2)
    getattr(process, end)()
    code = process.wait()
    if end == "terminate":
        assert code == 128 + signal.SIGTERM
        assert output.read_text().startswith("error: terminated")
    else:
        assert code == -signal.SIGKILL


def test_what_is_preloaded_can_be_imported():
    from importlib.util import find_spec

    assert [name for name in PRELOADED if find_spec(name) is None] == []


def test_nothing_of_this_project_is_preloaded():
    """A fork must import the project's code as it stands when the stage starts."""
    assert not any(name.startswith(("pipeline", "stages")) for name in PRELOADED)


@pytest.mark.skipif(sys.platform != "linux", reason="the server is used on Linux alone")
def test_an_exit_code_is_read_once_whoever_asks_at_the_same_time(tmp_path, monkeypatch):
    """A start asks for the codes of earlier stages while a thread waits for one of them."""
    read = forkserver.read_signed
    asking = []

    def slowly(sentinel):
        asking.append(sentinel)
        if len(asking) == 1:  # the other one comes meanwhile, and is faster
            time.sleep(1.0)
        return read(sentinel)

    processes = Processes(served=True)
    first = processes.start(command("python -m stages.table --help"), tmp_path / "first")
    connection.wait([first.process.sentinel])
    monkeypatch.setattr(forkserver, "read_signed", slowly)
    codes = []
    waiting = Thread(target=lambda: codes.append(first.wait()))
    waiting.start()
    while not asking:
        time.sleep(0.01)
    second = processes.start(command("python -m stages.table --help"), tmp_path / "second")
    waiting.join()
    assert (codes, second.wait()) == ([0], 0)


WHILE_PRELOADED = """
import time
from pathlib import Path
Path("preloading").touch()
time.sleep(1.5)
"""
STARTS = """
from pathlib import Path
from stages.shell import stage_process
stage_process.PRELOADED = ("slow_to_import",)
command = stage_process.Command("python -m stages.score x", ".", {})
try:
    stage_process.Processes(served=True).start(command, Path("gone/out"))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the server is used on Linux alone")
def test_ctrl_c_while_the_server_imports_prints_no_traceback(tmp_path):
    """It reaches the server, too; that ends with the process that started it, without a word.

    So does a fork that was asked for before, whose folder for the output has been removed.
    """
    (tmp_path / "slow_to_import.py").write_text(WHILE_PRELOADED)
    with subprocess.Popen(
        [sys.executable, "-c", STARTS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        end = time.monotonic() + 60
        while not (tmp_path / "preloading").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=60)[0]  # the server holds the pipe until it ends
    assert said == "interrupted\n"


# In a process of its own: a server that something else has started hears signals otherwise.
SIGNALLED = """
import os, sys
from pathlib import Path
from stages.shell.stage_process import Command, Processes
line = Command("python -m stages.score adapters", ".", {})
process = Processes(served=True).start(line, Path("out"))
os.kill(process.process.pid, int(sys.argv[1]))  # at once: it waits until the fork hears it
sys.exit(process.wait())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the server is used on Linux alone")
@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 1, "interrupted"), (signal.SIGTERM, 143, "termin")]
)
def test_a_fork_hears_signals_though_its_server_does_not(tmp_path, number, code, said):
    (tmp_path / "params.yaml").write_text(f"x: [{'1, ' * 900_000}1]\n")  # read for many seconds
    program = [sys.executable, "-c", SIGNALLED, str(int(number))]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run(program, cwd=tmp_path, env=env, check=False).returncode == code
    assert (tmp_path / "out").read_text().startswith(f"error: {said}")


@pytest.mark.skipif(sys.platform != "linux", reason="the server is used on Linux alone")
def test_a_signal_waits_while_the_server_is_asked_for_a_fork(tmp_path, monkeypatch):
    """It would end the exchange half way: the server then prints a traceback of its own."""
    asked = []

    class Fork:
        def __init__(self, **_):
            pass

        def start(self):
            signal.raise_signal(signal.SIGINT)
            asked.append("whole")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    processes = Processes(served=True)
    monkeypatch.setattr(processes._context, "Process", Fork)
    try:
        with pytest.raises(KeyboardInterrupt):
            processes.start(command("python -m stages.table"), tmp_path / "out")
    finally:
        signal.signal(signal.SIGINT, before)
    assert asked == ["whole"]
