"""A launcher starts ranks elsewhere: the SLURM script, with fake `sbatch`, `srun`, `scontrol`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import artifacts
from stages import meta_train
from tests.support import toy_project
from tests.support.processes import run
from tests.wiring.closure import ROOT


SCRIPT = ROOT / "docs/slurm/ranks.sh"
# Two machines of a cluster; the job's number is 4711. What was asked for stands in `asked`.
COMMANDS = {
    "sbatch": """
        echo "$@" >>asked; echo "4711;cluster"
        test "$1 $2" = "--wait --parsable" || exit 9
        shift 2
        export SLURM_JOB_ID=4711 SLURM_JOB_NODELIST="127.0.0.[1-2]" SLURM_JOB_NUM_NODES=2
        exec bash "$@" >logs/slurm-4711.out 2>&1""",
    "scontrol": 'test "$*" = "show hostnames 127.0.0.[1-2]" && printf "127.0.0.1\\n127.0.0.2\\n"',
    "srun": """
        test "$1 $2" = "--kill-on-bad-exit=1 --ntasks-per-node=1" || exit 9
        shift 2
        SLURM_NODEID=0 SLURMD_NODENAME=127.0.0.1 "$@" & first=$!
        SLURM_NODEID=1 SLURMD_NODENAME=127.0.0.2 "$@" & second=$!
        wait $first && wait $second""",
    "scancel": 'echo scancel "$@" >>asked',
}


@pytest.fixture
def cluster(tmp_path):
    """Return the environment of a user of the cluster, who works in `tmp_path`."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, body in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/bash\n{body}\n")
        (commands / name).chmod(0o755)
    path = f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def started(launcher, folder, environ):
    return subprocess.run(
        [sys.executable, "-m", "stages.meta_train", "in_place", "0"],
        cwd=folder,
        env=environ | {"MAMLVIAPP_LAUNCHER": launcher},
        text=True,
        capture_output=True,
        check=False,
        timeout=240,
    )


def train():
    meta_train.meta_train("in_place", 0)


@pytest.mark.slow
def test_a_job_of_two_machines_gives_the_bytes_of_two_ranks(tmp_path, tokenizer, cluster):
    params = toy_project.toy_params()
    toy_project.write_project(tmp_path, tokenizer, params)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("data", "models", "params.yaml"):
        (other / name).symlink_to(tmp_path / name)
    done = started(str(SCRIPT), tmp_path, cluster)
    assert (done.returncode, done.stderr) == (0, "")
    asked = (tmp_path / "asked").read_text()
    assert asked == f"--wait --parsable {SCRIPT} -m stages.meta_train in_place 0\n"
    theta = tmp_path / artifacts.model_dir("in_place", 0) / "theta.safetensors"
    in_the_job = theta.read_bytes()
    shutil.rmtree(theta.parent)
    assert run(train, folder=tmp_path, ranks=2) == [0, 0]
    assert theta.read_bytes() == in_the_job


@pytest.mark.slow
def test_a_job_that_fails_shows_why(tmp_path, cluster):
    done = started(str(SCRIPT), tmp_path, cluster)
    assert done.returncode == 1
    assert "error: params.yaml: not found" in done.stderr


def test_a_job_is_cancelled_when_the_stage_is_ended(tmp_path, cluster):
    (tmp_path / "bin/sbatch").write_text("#!/bin/bash\necho 4711\ntouch begun\nexec sleep 30\n")
    process = subprocess.Popen([SCRIPT, "-m", "stages.x"], cwd=tmp_path, env=cluster)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143
    assert (tmp_path / "asked").read_text() == "scancel 4711\n"


@pytest.mark.parametrize(
    ("launcher", "code", "expected"),
    [
        ("bash -c 'exit 7'", 7, ""),
        ("bash -c 'kill -9 $$'", 137, ""),
        ("no-such-command --wait", 1, "error: MAMLVIAPP_LAUNCHER=no-such-command --wait: cannot"),
    ],
)
def test_a_launcher_that_fails_fails_the_stage(tmp_path, cluster, launcher, code, expected):
    done = started(launcher, tmp_path, cluster)
    assert done.returncode == code
    assert done.stderr.startswith(expected)
    assert len(done.stderr.splitlines()) == bool(expected)


def test_a_stage_of_one_process_is_refused_under_torchrun(tmp_path):
    place = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "stages.score", "in_place"],
        cwd=tmp_path,
        env=os.environ | place | {"PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: score is one process and shares its work with no other")
