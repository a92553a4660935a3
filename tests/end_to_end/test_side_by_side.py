"""`python -m stages.repro` with DVC itself, on a pipeline of six stages that take no time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.wiring.closure import ROOT


PIPELINE = """
stages:
  source:
    cmd: cat in > source.txt
    deps: [in]
    outs: [source.txt]
  make:
    matrix: {name: [a, b]}
    cmd: echo made ${item.name}; exec sh make.sh ${item.name} > ${item.name}.txt
    deps: [source.txt, make.sh]
    outs: ["${item.name}.txt"]
  score:
    matrix: {name: [a, b]}
    cmd: wc -c < ${item.name}.txt > ${item.name}.json
    deps: ["${item.name}.txt"]
    metrics: ["${item.name}.json": {cache: false}]
  report:
    cmd: cat a.json b.json > report.txt
    deps: [a.json, b.json]
    outs: [report.txt]
"""
ENVIRON = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_"))},
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "MAMLVIAPP_JOBS": "2",
}


@pytest.fixture
def project(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "-q"], cwd=tmp_path, check=True, env=ENVIRON
    )
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "in").write_text("1\n")
    (tmp_path / "make.sh").write_text("cat source.txt; echo $1\n")
    return tmp_path


def command(*args):
    return [sys.executable, "-m", *args]


def call(folder, *args):
    return subprocess.run(
        command(*args), cwd=folder, env=ENVIRON, text=True, capture_output=True, check=False
    )


def repro(folder):
    return call(folder, "stages.repro")


def files(folder):
    """Every file that git or DVC keeps here, .gitignore among them."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.iterdir()
        if path.is_file()
    }


def test_files_and_lock_are_those_of_dvc_repro(project):
    done = repro(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "    made a" in done.stdout.splitlines()
    ours = files(project)
    assert json.loads(call(project, "dvc", "status", "--json").stdout) == {}
    for name in ("dvc.lock", "source.txt", "a.txt", "b.txt", "a.json", "b.json", "report.txt"):
        (project / name).unlink()
    theirs = call(project, "dvc", "repro", "--no-run-cache")
    assert theirs.returncode == 0, theirs.stderr
    assert files(project) == ours

    done = repro(project)
    assert done.stdout.count(": unchanged") == 6
    assert files(project) == ours

    (project / "in").write_text("2\n")
    assert repro(project).returncode == 0
    (project / "in").write_text("1\n")
    done = repro(project)
    assert done.stdout.count(": from DVC's run cache") >= 3
    assert files(project) == ours


def test_after_a_failure_dvc_repro_goes_on(project):
    script = (project / "make.sh").read_text()
    (project / "make.sh").write_text(script + "[ $1 = b ] || exit 5\n")
    done = repro(project)
    assert done.returncode == 1
    assert "make@a: ended with exit code 5" in done.stdout
    assert done.stderr.startswith("error: failed: make@a")
    assert len(done.stderr.splitlines()) == 1
    assert not (project / "report.txt").exists()
    (project / "make.sh").write_text(script)
    done = call(project, "dvc", "repro")
    assert done.returncode == 0
    assert "Stage 'source' didn't change, skipping" in done.stdout
    assert (project / "report.txt").exists()


def ended(pid, patience=5):
    """Whether a process has ended; the system's first process may take a moment to bury it."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_the_stages_and_keeps_what_has_ended(project, number):
    script = (project / "make.sh").read_text()
    (project / "make.sh").write_text("echo $$ > $1.pid; exec sleep 60\n")
    with subprocess.Popen(
        command("stages.repro"),
        cwd=project,
        env=ENVIRON,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        pids = [project / f"{name}.pid" for name in "ab"]
        end = time.monotonic() + 60
        while not all(pid.is_file() and pid.read_text() for pid in pids):
            assert time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == (1 if number == signal.SIGINT else 128 + number)
    assert said.splitlines()[-1].startswith("error: ")
    for pid in pids:
        assert ended(int(pid.read_text()))
        pid.unlink()
    (project / "make.sh").write_text(script)
    done = repro(project)
    assert done.returncode == 0
    assert "source: unchanged" in done.stdout
