"""`dvc repro` with independent stages side by side, as many as the machine has cores."""

import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pipeline import artifacts
from pipeline.params import read_yaml
from pipeline.params.inputs import refuse_inputs_in_outs
from pipeline.processes.code import needs, script_of
from pipeline.processes.cores import count_from_environment, num_workers
from stages.shell import console
from stages.shell.dvc_pipeline import dvc_pipeline
from stages.shell.side_by_side import Room, SideBySide
from stages.shell.stage_process import Processes


def repro() -> None:
    """Run what changed, several stages at once; the outs and dvc.lock are those of `dvc repro`.

    MAMLVIAPP_JOBS overrides how many. On a machine with a GPU, one stage at a time uses it.
    """
    if artifacts.PARAMS.is_file():  # before DVC removes a single out
        refuse_inputs_in_outs(read_yaml(artifacts.PARAMS), str(artifacts.PARAMS))
    gpu = _has_gpu()
    cores = num_workers()
    jobs = count_from_environment("MAMLVIAPP_JOBS") or cores
    processes = Processes(served=sys.platform == "linux" and not gpu)
    with dvc_pipeline() as pipeline:
        room = Room(cores, jobs, cache(_uses_torch) if gpu else lambda _: False)
        SideBySide(pipeline, room, processes, console.say).run()


def _uses_torch(stage: str) -> bool:
    """Say whether a stage's code imports torch: it then uses the GPU."""
    return needs(script_of(f"stages.{stage.split('@')[0]}"), "torch")


def _has_gpu() -> bool:
    """Say whether torch finds a GPU. It is asked in a process of its own: its import is slow.

    A process that has asked could not be forked from: the GPU's state does not survive that.
    """
    try:
        if version("torch").endswith("+cpu"):
            return False
    except PackageNotFoundError:
        return False
    question = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)"
    return subprocess.run([sys.executable, "-c", question], check=False).returncode == 0


if __name__ == "__main__":
    console.run(repro)
