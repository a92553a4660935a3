"""The shell: one typer command per DVC stage, and a few commands that are no stages."""

import os
import signal
import sys


def interrupted_early(signum: int, frame: object) -> None:  # noqa: ARG001
    """End a stage by one line while it is still importing: nothing was begun."""
    sys.stderr.write("error: interrupted; nothing was done yet, run the same command to go on\n")
    sys.stderr.flush()
    os._exit(1)


# Only for `python -m stages.NAME`, whose imports take seconds; `console.run` takes over then.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, interrupted_early)
