"""Whatever this project starts ends with the command that started it, killed or interrupted."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import artifacts
from tests.wiring.closure import ROOT


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="children are found in /proc")

TRIAL = "from stages.shell import trial; trial._stage(Path(), 'score', 'x')"
STAGE = (
    "from stages.shell.stage_process import Command, Processes; "
    "command = Command('python -m stages.score x', '.', {}); "
    "Processes(served=False).start(command, Path('out')).wait()"
)


@contextlib.contextmanager
def started(*words, folder):
    """Yield a command in a session of its own, of which nothing is left in the end."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("DVC_STAGE", None)
    with subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_children(process, count):
    """Wait until a process has so many, which have begun."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 120
    while len(children.read_text().split()) < count:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    time.sleep(2)  # Python is up long before


@pytest.mark.parametrize("starter", [TRIAL, STAGE], ids=["tune", "repro"])
def test_a_command_ends_with_the_one_that_was_killed(tmp_path, starter):
    """It holds its starter's stderr, or has locked what its starter would write again."""
    many = "1, " * 3_000_000
    (tmp_path / artifacts.PARAMS).write_text(f"x: [{many}1]\n")  # read for a minute
    with started("-c", f"from pathlib import Path; {starter}", folder=tmp_path) as process:
        wait_for_children(process, 1)
        child = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().strip()
        process.kill()
        process.wait()
        deadline = time.monotonic() + 20
        while Path(f"/proc/{child}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [(signal.SIGKILL, -signal.SIGKILL, ""), (signal.SIGINT, 1, "error: interrupted; ")],
)
def test_no_worker_of_the_simulation_outlives_it_or_has_a_word_of_its_own(
    tmp_path, number, code, said
):
    """Workers hold its stderr, which ends with the last of them."""
    population = ["--population", str(ROOT / artifacts.PERSONA_SUMS)]
    words = ["-m", "stages.simulate", *population, "--out", "x.json", "--runs", "1000000"]
    with started(*words, folder=tmp_path) as process:
        wait_for_children(process, 2)
        os.kill(process.pid, number) if number == signal.SIGKILL else os.killpg(process.pid, number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.startswith(said)
    assert err.count("\n") == (1 if said else 0)
