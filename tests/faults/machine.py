"""Campaigns against all stages: two at once, no room, no writing, no memory, a clock that jumps."""

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random

from tests.faults.commands import (
    children_of,
    digests,
    done,
    finished,
    left_behind,
    one_line,
    resumed,
    start,
)
from tests.faults.forks import started
from tests.faults.registry import Outcome, campaign
from tests.faults.toy import ALONE, RANKS, Stage, project, stage, whole_project, without
from tests.wiring.closure import ROOT


@campaign("every stage: two runs at once", points=33, quick=0)
def two_of_every_stage(folder: Path, points: int, seed: int) -> Outcome:
    """One does it; the other is told so, or comes later and does the same."""
    random, outcome = Random(seed), Outcome(points)
    stages = whole_project(folder)
    right = {one.words: digests(folder, one.outs) for one in stages}
    for one in islice(cycle(stages), points):
        first = started(folder, *one.words, **ALONE)
        time.sleep(random.uniform(0, 2))
        second = started(folder, *one.words, **ALONE)
        ends = [finished(process) for process in (first, second)]
        if all(code for code, _ in ends):
            outcome.lost.append(f"{one.words}: neither run succeeded: {ends}")
        for code, err in ends:
            outcome.lost += one_line(code, err)
            if code and "another run is writing" not in err:
                outcome.lost.append(f"{one.words}: {err!r}")
        if digests(folder, one.outs) != right[one.words]:
            outcome.lost.append(f"{one.words}: other outs")
    outcome.lost += left_behind(folder)
    return outcome


@campaign("every stage: files that may not grow", points=11, quick=0)
def no_room_anywhere(folder: Path, points: int, seed: int) -> Outcome:
    """Every write behind a random byte fails; what was there stays, a later run succeeds."""
    random, outcome = Random(seed), Outcome(points)
    stages = whole_project(folder)
    for one in islice(cycle(stages), points):
        right = digests(folder, one.outs)
        process = start(folder, *one.words, largest=random.randrange(1, 4000), **ALONE)
        outcome.lost += resumed(folder, one.words, process, right, outcome, how=started, **ALONE)
    return outcome


@campaign(
    "download and tasks: a disk of 200 kB to 1 MB that is full (needs root)", points=10, quick=0
)
def full_disk(folder: Path, points: int, seed: int) -> Outcome:
    """`data` lies on a disk of its own; with more room the same command succeeds."""
    random, outcome = Random(seed), Outcome(points)
    stages = whole_project(folder, "tasks")
    right = {one.words: digests(folder, one.outs) for one in stages}
    without(folder, Path("data"))
    (folder / "data").mkdir()
    with _disk(folder / "data", 20_000) as resized:
        for one in islice(cycle(stages), points):
            if one.words == ("tasks",):
                done(folder, "download")
            for out in one.outs:
                without(folder, out)
            resized(random.randrange(200, 1000))
            code, err = finished(start(folder, *one.words))
            outcome.lost += one_line(code, err)
            if code and "no space left" not in err:
                outcome.lost.append(f"{one.words}: {err!r}")
            outcome.lost += left_behind(folder)
            resized(20_000)
            outcome.seconds.append(done(folder, *one.words))
            if digests(folder, one.outs) != right[one.words]:
                outcome.lost.append(f"{one.words}: other outs")
    return outcome


@contextmanager
def _disk(place: Path, kilobytes: int) -> Iterator[object]:
    def mount(*words: str) -> None:
        subprocess.run(["mount", *words], check=True)

    mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place))
    try:
        yield lambda size: mount("-o", f"remount,size={size}k", str(place))
    finally:
        subprocess.run(["umount", str(place)], check=True)


@campaign("every stage: a folder that cannot be written", points=11, quick=0)
def read_only_everywhere(folder: Path, points: int, seed: int) -> Outcome:
    """What holds the out leads to where even root can create nothing."""
    outcome = Outcome(points)
    stages = whole_project(folder)
    for one in islice(cycle(stages), points):
        for out in one.outs[:1]:
            parent = folder / out.parent
            kept = parent.with_name(f"{parent.name}-kept")
            parent.rename(kept)
            parent.symlink_to("/proc/self")
            if _inputs_went_too(one):
                parent.unlink()
                parent.mkdir()
                for inner in kept.iterdir():
                    (parent / inner.name).symlink_to(inner)
                without(folder, out)
                (folder / out).symlink_to("/proc/self/new")
            code, err = finished(started(folder, *one.words, **ALONE))
            outcome.lost += one_line(code, err)
            if not code and not _inputs_went_too(one):
                outcome.lost.append(f"{one.words}: succeeded")
            without(folder, out.parent)
            kept.rename(parent)
    return outcome


def _inputs_went_too(one: Stage) -> bool:
    """Say whether what holds the out holds what the stage reads as well."""
    return one.words[0] in ("tasks", "base")


@campaign("train and meta_train: no memory from a random moment on", points=20, quick=0)
def no_memory(folder: Path, points: int, seed: int) -> Outcome:
    """The process may get no more than it has; it ends, and the next run has the same outs."""
    random = Random(seed)
    project(folder, "download", "tasks", "base")
    stages = stage("train", "transfer", "0"), stage("meta_train", "in_place", "0")
    usual = {one.words: done(folder, *one.words, how=started, **ALONE) for one in stages}
    outcome = Outcome(points)
    for one in islice(cycle(stages), points):
        right = digests(folder, one.outs)
        process = started(folder, *one.words, **ALONE)
        time.sleep(random.uniform(0.3, 0.9) * usual[one.words])
        _take_memory(process.pid)
        outcome.lost += resumed(folder, one.words, process, right, outcome, how=started, **ALONE)
    return outcome


@campaign("meta_train on two ranks: one gets no memory", points=6, quick=0)
def no_memory_for_a_rank(folder: Path, points: int, seed: int) -> Outcome:
    """The rank ends, so does the command; the next run has the same outs."""
    random, outcome = Random(seed), Outcome(points)
    project(folder, "download", "tasks", "base")
    one = stage("meta_train", "in_place", "0")
    usual = done(folder, *one.words, how=started, **RANKS)
    right = digests(folder, one.outs)
    for _ in range(points):
        process = started(folder, *one.words, **RANKS)
        time.sleep(random.uniform(0.5, 0.9) * usual)
        for child in children_of(process.pid)[:1]:
            _take_memory(child)
        outcome.lost += resumed(folder, one.words, process, right, outcome, how=started, **RANKS)
    return outcome


def _take_memory(pid: int) -> None:
    """Bound a process to the address space that it has."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
        size = pages * resource.getpagesize()
        resource.prlimit(pid, resource.RLIMIT_AS, (size, size))
    except (OSError, ValueError):
        pass  # it has ended


CLOCK = """
import os, random, time
_random, _real, _ahead = random.Random(int(os.environ["CLOCK"])), time.time, [0.0, 0.0]
_even = time.monotonic
def _time():
    if _random.random() < 0.2:
        _ahead[0] += _random.choice((-1, 1)) * _random.uniform(0, 10**8)
    return _real() + _ahead[0]
def _monotonic():
    if _random.random() < 0.05:
        _ahead[1] += _random.uniform(0, 100)
    return _even() + _ahead[1]
time.time, time.monotonic = _time, _monotonic
"""


@campaign("every stage: a clock that jumps by years, and forwards by minutes", points=11, quick=0)
def jumping_clock(folder: Path, points: int, seed: int) -> Outcome:
    """The outs are the same."""
    outcome = Outcome(points)
    stages = whole_project(folder)
    shim = folder / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(CLOCK, encoding="utf-8")
    for number, one in enumerate(islice(cycle(stages), points)):
        right = digests(folder, one.outs)
        environ = {**ALONE, "PYTHONPATH": f"{shim}{os.pathsep}{ROOT}", "CLOCK": f"{seed + number}"}
        code, err = finished(start(folder, *one.words, **environ))
        if code:
            outcome.lost.append(f"{one.words}: ended with {code}: {err[-300:]!r}")
        if digests(folder, one.outs) != right:
            outcome.lost.append(f"{one.words}: other outs")
    return outcome
