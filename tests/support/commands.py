"""A command of the project, run as a user runs it."""

import os
import subprocess
import sys

from tests.wiring.closure import ROOT


def run_command(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `python -m stages.NAME ARGUMENTS` in the project's folder, and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", f"stages.{name}", *arguments],
        cwd=ROOT,
        env=os.environ,
        text=True,
        capture_output=True,
        check=False,
    )
