"""The shell: one typer command per DVC stage, a file each.

`shell/` has what commands share; `commands/`, `few_shot/` and `studies/` have commands that are no
stages; `p2bot/` has P² Bot's two stages. All of them run as `python -m stages.NAME`.
"""

import os
import re
import signal
import sys
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.processes import fingerprint


FOLDERS = ("p2bot", "commands", "few_shot", "studies")

# `python -m stages.table` finds stages/commands/table.py.
__path__ += [str(Path(__file__).parent / folder) for folder in FOLDERS]

STARTED_BY = os.getppid()  # before imports, which take seconds: it may be gone after them
TERMINATED = 128 + signal.SIGTERM  # the exit code, 143, as shells count


def interrupted_early(signum: int, *_: object) -> None:
    """End a stage by one line while it is still importing: nothing was begun."""
    asked = signum == signal.SIGTERM
    how = "terminated" if asked else "interrupted"
    sys.stderr.write(f"error: {how}; nothing was done yet, run the same command to go on\n")
    sys.stderr.flush()
    os._exit(TERMINATED if asked else 1)


def hears_sigterm() -> bool:
    """Say whether to handle SIGTERM: not if it is ignored, nor in a rank of `torchrun`.

    A rank must die at once: it may hang in a sum with ranks that have ended. Whoever ends it prints
    the reason.
    """
    ours = signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, interrupted_early)
    return ours and "TORCHELASTIC_RUN_ID" not in os.environ


def _refuse_endpoint() -> None:
    """Say in a line that HF_ENDPOINT is no URL: the hub's client fails while it is imported."""
    try:
        _ = urlsplit(os.environ.get("HF_ENDPOINT", "")).port
    except ValueError:  # its words may hold a password
        sys.stderr.write("error: HF_ENDPOINT of the environment is no URL; correct it\n")
        sys.stderr.flush()
        os._exit(1)


def _begin() -> None:
    """Note the code of NAME of `python -m stages.NAME`. `sys.argv` is -m and what follows NAME."""
    name = re.fullmatch(r"(?:-\w*m)?stages\.(\w+)", sys.orig_argv[-len(sys.argv)])
    if name is not None:
        fingerprint.begin(name[1])


# Only for `python -m stages.NAME`, whose imports take seconds; `console.run` takes over then.
if sys.argv[:1] == ["-m"]:
    _refuse_endpoint()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupted_early)
    if hears_sigterm():
        signal.signal(signal.SIGTERM, interrupted_early)
    _begin()
