"""Stages that do not need each other, at the same time.

One thread alone speaks with DVC: it asks what a stage needs, starts the stage's command, and has
the outs recorded when the command has ended. Results do not depend on what runs beside what: a
stage reads files that are complete, and its own numbers depend on no number of workers.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Protocol

from pipeline.errors import StageError
from stages.shell.console import Terminated
from stages.shell.progress.lines import OfStage
from stages.shell.stage_process import Command, Processes, StageProcess


# Processor seconds of a stage on the embedded preset, by its kind. They decide the order alone.
_SECONDS = {
    "base": 70,
    "train": 10,
    "meta_train": 25,
    "p2_receiver": 20,
    "p2_selfplay": 40,
    "finetune": 40,
}
_PATIENCE = 5.0  # seconds for a stage to end by Ctrl-C, which reaches all
_LAST_PATIENCE = 30.0  # seconds for it to end by SIGTERM


class Pipeline(Protocol):
    """Stages, and how they are recorded."""

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        """Of each stage, the stages whose outs it reads."""
        ...

    def begin(self, name: str) -> Command | str:
        """Return the command to run, or the reason why there is none to run."""
        ...

    def finish(self, name: str) -> None:
        """Record the outs of a stage whose command has ended well."""
        ...


@dataclass(frozen=True)
class Room:
    """What runs at the same time."""

    cores: int
    jobs: int  # stages
    alone: Callable[[str], bool]  # stages of which one runs at a time: those that use a GPU

    def takes(self, name: str, running: Mapping[str, object]) -> bool:
        """Say whether the stage may start beside those that run."""
        if len(running) >= self.jobs:
            return False
        return not (self.alone(name) and any(map(self.alone, running)))

    def workers(self, *, ready: int, waiting: int) -> int:
        """Return how many processes a stage may use.

        It is all cores if no other long stage could start, and for the last stages of a run: they
        keep all cores at work to the end, though there are more processes than cores for a while.

        Args:
            ready: long stages that could start now.
            waiting: long stages that have not started.
        """
        shared = ready > 0 and waiting >= self.jobs
        return max(1, self.cores // self.jobs) if shared else self.cores


@dataclass(frozen=True)
class _Running:
    process: StageProcess
    output: OfStage
    started: float  # seconds, monotonic


class SideBySide:
    """One run of a pipeline.

    Args:
        pipeline: its stages.
        room: what may run at the same time.
        processes: how commands are started.
        say: shows a line to the user.
    """

    def __init__(
        self, pipeline: Pipeline, room: Room, processes: Processes, say: Callable[[str], None]
    ) -> None:
        self._pipeline, self._room, self._processes, self._say = pipeline, room, processes, say
        self._waiting = by_urgency(pipeline.needs)
        self._running: dict[str, _Running] = {}
        self._ended: SimpleQueue[tuple[str, int]] = SimpleQueue()
        self._done: set[str] = set()
        self._failed: list[str] = []

    def run(self) -> None:
        """Run what has changed, and all that needs it.

        Raises:
            StageError: a command failed. What ran beside it has ended and is recorded; nothing that
                needs it was started.
        """
        with TemporaryDirectory() as folder:
            try:
                self._work(Path(folder))
            except BaseException as told:
                self._end_all(0 if isinstance(told, Terminated) else _PATIENCE)
                raise
        if self._failed:
            left = f"; {len(self._waiting)} stages did not start" if self._waiting else ""
            raise StageError(
                f"failed: {', '.join(self._failed)}; what it said stands above{left}. What has "
                "ended is recorded; run the same command to go on"
            )

    def _work(self, folder: Path) -> None:
        while True:
            while not self._failed and (name := self._next()) is not None:
                self._begin(name, folder)
            if not self._running:
                return
            self._finish(*self._one_that_ended())

    def _one_that_ended(self) -> tuple[str, int]:
        """Wait for a stage to end.

        Wake every second: a signal that another thread receives does not end the wait. What the
        stages say of their progress is passed on.
        """
        while True:
            try:
                return self._ended.get(timeout=1)
            except Empty:
                for stage in self._running.values():
                    for line in stage.output.new():
                        self._say(f"{self._count()} {line}")

    def _ready(self) -> Iterator[str]:
        return (name for name in self._waiting if self._pipeline.needs[name] <= self._done)

    def _next(self) -> str | None:
        """Return the most urgent stage that may start."""
        return next((n for n in self._ready() if self._room.takes(n, self._running)), None)

    def _begin(self, name: str, folder: Path) -> None:
        self._waiting.remove(name)
        command = self._pipeline.begin(name)
        if isinstance(command, str):
            self._done.add(name)
            self._say(f"{self._count()} {name}: {command}")
            return
        ready, waiting = (
            sum(_seconds(other) > 1 for other in names) for names in (self._ready(), self._waiting)
        )
        share = self._room.workers(ready=ready, waiting=waiting)
        environ = {"MAMLVIAPP_WORKERS": str(share), **command.environ}
        output = folder / name
        process = self._processes.start(Command(command.line, command.folder, environ), output)
        self._running[name] = _Running(process, OfStage(output), time.monotonic())
        Thread(target=self._await, args=(name, process), daemon=True).start()
        self._say(f"{self._count()} {name}: started, {len(self._running)} at work")

    def _await(self, name: str, process: StageProcess) -> None:
        self._ended.put((name, process.wait()))

    def _finish(self, name: str, code: int) -> None:
        stage = self._running.pop(name)
        seconds = time.monotonic() - stage.started
        if code == 0:
            self._pipeline.finish(name)
            self._done.add(name)
        else:
            self._failed.append(name)
        how = f"{seconds:.0f} s" if code == 0 else f"ended with exit code {code}"
        said = stage.output.others()
        lines = [f"{self._count()} {name}: {how}", *("    " + line for line in said)]
        self._say("\n".join(lines))

    def _count(self) -> str:
        total = len(self._pipeline.needs)
        return f"[{len(self._done):{len(str(total))}} of {total}]"

    def _end_all(self, patience: float) -> None:
        """End the stages that run. Ctrl-C reaches all as a rule, so they get time to end by it."""
        self._reap(patience)
        for stage in self._running.values():
            stage.process.terminate()
        self._reap(_LAST_PATIENCE)
        for stage in self._running.values():
            stage.process.kill()

    def _reap(self, patience: float) -> None:
        end = time.monotonic() + patience
        while self._running:
            try:
                name, code = self._ended.get(timeout=max(0.0, end - time.monotonic()))
            except Empty:
                return
            self._running.pop(name, None)
            if code == 0:  # it ended by itself; what it wrote may be hours of work
                with suppress(Exception):  # what ends this run is told already
                    self._pipeline.finish(name)


def _seconds(name: str) -> int:
    return _SECONDS.get(name.split("@")[0], 1)


def by_urgency(needs: Mapping[str, frozenset[str]]) -> list[str]:
    """Return the stages, first the one with most work on the longest way from it to the end."""
    readers: dict[str, list[str]] = {name: [] for name in needs}
    for name, inputs in needs.items():
        for other in inputs:
            readers[other].append(name)
    urgency: dict[str, float] = {}

    def of(name: str) -> float:
        if name not in urgency:
            urgency[name] = _seconds(name) + max(map(of, readers[name]), default=0.0)
        return urgency[name]

    return sorted(needs, key=of, reverse=True)
