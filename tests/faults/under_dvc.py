"""Campaigns against `dvc repro`: DVC, its stage or both are killed; the next run is as ever."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import psutil
from ruamel.yaml import YAML

from pipeline import artifacts
from tests.faults.commands import digests, environment, left_behind
from tests.faults.registry import Outcome, campaign
from tests.faults.toy import ALONE, STAGES, params_of_a_toy


NAMES = ("download", "tasks", "base")
OUTS = tuple(out for one in STAGES[:3] for out in one.outs)
ENDS = 3.0  # seconds within which a stage ends whose DVC was killed
BEGINS = 10.0  # seconds until DVC has begun a stage
AIMS = ("dvc", "stage", "group")


@campaign("dvc repro: KILL, TERM of DVC alone, of its stage, of the group", points=18, quick=0)
def kill_dvc(folder: Path, points: int, seed: int) -> Outcome:
    """Nothing of it goes on; what was half-done is done again."""
    random, outcome = Random(seed), Outcome(points)
    _project(folder)
    _repro(folder).wait()
    right = digests(folder, OUTS)
    assert len(right) == len(OUTS)
    for point in range(points):
        params = params_of_a_toy()
        params["data"]["synthetic"]["seed"] = 100 + point
        YAML().dump(params, folder / "params.yaml")
        process = _repro(folder)
        time.sleep(BEGINS * 0.3 + random.uniform(0, BEGINS))
        number = (signal.SIGKILL, signal.SIGTERM)[point % 2]
        aim = AIMS[point // 2 % len(AIMS)]
        outcome.lost += _aimed(process, aim, number)
        outcome.lost += left_behind(folder) if number == signal.SIGTERM and aim == "group" else []
        YAML().dump(params_of_a_toy(), folder / "params.yaml")
        began = time.monotonic()
        code = _repro(folder).wait()
        outcome.seconds.append(time.monotonic() - began)
        if code or digests(folder, OUTS) != right:
            outcome.lost.append(f"{aim} {number!r}: the next run's outs differ, code {code}")
        outcome.lost += left_behind(folder)
    return outcome


def _project(folder: Path) -> None:
    outs = {one.words[0]: [str(out) for out in one.outs] for one in STAGES[:3]}
    sections = {"download": "data", "tasks": "tasks", "base": "base"}
    inputs = {"download": [], "tasks": [str(artifacts.RAW)], "base": [str(artifacts.PRETRAIN_TEXT)]}
    stages = {
        name: {
            "cmd": f"{sys.executable} -m stages.{name}",
            "deps": inputs[name],
            "params": [sections[name]],
            "outs": outs[name],
        }
        for name in NAMES
    }
    YAML().dump({"stages": stages}, folder / "dvc.yaml")
    YAML().dump(params_of_a_toy(), folder / "params.yaml")
    init = [sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"]
    subprocess.run(init, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _repro(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", "--quiet"],
        cwd=folder,
        env=environment(**ALONE, DVC_NO_ANALYTICS="1"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _aimed(process: subprocess.Popen, aim: str, number: int) -> list[str]:
    """Send a signal; return what went on though it should have ended."""
    group = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    stages = [one for one in group if _is_stage(one)]
    if process.poll() is None:
        if aim == "group":
            os.killpg(process.pid, number)
        elif aim == "dvc":
            process.send_signal(number)
        else:
            for one in stages:
                one.send_signal(number)
    if aim == "stage":
        process.wait()
    _, alive = psutil.wait_procs(stages, timeout=ENDS)
    for one in alive:
        one.kill()
    if process.poll() is None:
        process.kill()
    process.wait()
    psutil.wait_procs(group, timeout=ENDS)
    return [f"{aim} {number!r}: {one.pid} went on for {ENDS} s" for one in alive]


def _is_stage(process: psutil.Process) -> bool:
    try:
        return any(word.startswith("stages.") for word in process.cmdline())
    except psutil.Error:
        return False
