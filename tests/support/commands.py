"""A command of the project, run as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

from tests.wiring.closure import ROOT


def run_command(
    name: str, *arguments: str, folder: Path = ROOT
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m stages.NAME ARGUMENTS` in a folder, and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", f"stages.{name}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        capture_output=True,
        check=False,
    )
