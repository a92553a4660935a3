"""`python -m benchmarks.corpus [MESSAGES...]`: time and peak memory of reading chats.

An export is written into a temporary folder: pairs of people, a log each, conversations of 20
messages with a day between them, names and words of several scripts, a picture here and there.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from pipeline.processes.code import PROJECT


WORDS = ("yes", "no", "maybe", "дома", "heute", "明日", "train", "😀", "soup at eight", "where ?")
PER_LOG = 4000  # messages
PER_TALK = 20
COMMANDS = ("corpus", "download", "tasks")


def _lines(log: int, messages: int) -> Iterator[str]:
    random = Random(log)
    names = (f"Ann {log}", f"Боб {log}")
    when = datetime(2020, 1, 1, 18)
    for number in range(messages):
        new = number % PER_TALK == 0
        when += timedelta(days=1) if new else timedelta(seconds=random.randint(5, 300))
        text = " ".join(random.choices(WORDS, k=random.randint(1, 16)))
        text = "<Media omitted>" if random.random() < 0.03 else f"{text} {number}"
        yield f"[{when:%d/%m/%Y, %H:%M:%S}] {random.choice(names)}: {text}\n"
        if random.random() < 0.02:
            yield "and a second line\n"


def write_export(folder: Path, messages: int) -> None:
    """Write logs of `messages` messages in all into a new folder."""
    folder.mkdir()
    for log in range(-(-messages // PER_LOG)):
        size = min(PER_LOG, messages - log * PER_LOG)
        with (folder / f"chat {log}.txt").open("w", encoding="utf-8") as file:
            file.writelines(_lines(log, size))


def _measured(project: Path, *command: str) -> tuple[float, float]:
    """Run a command in a project; return its seconds and its peak memory in MB."""
    began = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return time.monotonic() - began, usage.ru_maxrss / 1000


def main(sizes: list[int]) -> None:
    """Measure the commands at each size and print a table."""
    table = Table("messages", *(f"stages.{name}" for name in COMMANDS))
    for size in sizes:
        with tempfile.TemporaryDirectory() as temporary:
            project = Path(temporary)
            write_export(project / "chats", size)
            preset = (PROJECT / "presets/embedded.yaml").read_text(encoding="utf-8")
            text = preset.replace("source: synthetic", "source: chats", 1)
            (project / "params.yaml").write_text(text, encoding="utf-8")
            cells = []
            for name in COMMANDS:
                given = ("chats",) if name == "corpus" else ()
                seconds, memory = _measured(project, f"stages.{name}", *given)
                cells.append(f"{seconds:.0f} s, {memory:.0f} MB")
            table.add_row(f"{size:,}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [200_000])
