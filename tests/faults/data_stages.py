"""Campaigns against `download` and `tasks`."""

import io
import socket
import tarfile
import time
from hashlib import sha256
from pathlib import Path
from random import Random

from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.params import read_yaml
from tests.faults.commands import digests, done, finished, killed_at_random, one_line, start
from tests.faults.registry import Outcome, campaign
from tests.support.raw_server import RawServer, serve_raw
from tests.wiring.closure import ROOT


DOWNLOADED = (artifacts.RAW, artifacts.PRETRAIN_TEXT)
SMALL = {"people": {"train": 3, "valid": 2, "test": 2}, "dialogues": 3, "pretrain_lines": 300}


def project(folder: Path, **data: object) -> None:
    """Write a small project's parameters."""
    params = read_yaml(ROOT / "presets/embedded.yaml")
    params["data"]["synthetic"].update(SMALL)
    params["data"].update(data)
    YAML().dump(params, folder / "params.yaml")


@campaign("download: KILL, TERM, INT at random moments", points=60, quick=3)
def kill_download(folder: Path, points: int, seed: int) -> Outcome:
    """The synthetic corpus."""
    project(folder)
    return killed_at_random(folder, ("download",), DOWNLOADED, points, Random(seed))


@campaign("tasks: KILL, TERM, INT at random moments", points=60, quick=3)
def kill_tasks(folder: Path, points: int, seed: int) -> Outcome:
    """From data that stay."""
    project(folder)
    done(folder, "download")
    return killed_at_random(folder, ("tasks",), (artifacts.TASKS,), points, Random(seed))


BOTH = (*DOWNLOADED, artifacts.TASKS)


def both_done(folder: Path) -> object:
    """Run `download` and `tasks`, and return the digests of their outs."""
    project(folder)
    done(folder, "download")
    done(folder, "tasks")
    return digests(folder, BOTH)


@campaign("download and tasks: two runs at once", points=30, quick=3)
def two_at_once(folder: Path, points: int, seed: int) -> Outcome:
    """One does it; the other is told so, or comes later and does the same."""
    random, right, outcome = Random(seed), both_done(folder), Outcome(points)
    for point in range(points):
        stage = ("download", "tasks")[point % 2]
        one = start(folder, stage)
        time.sleep(random.uniform(0, 0.3))
        other = start(folder, stage)
        ends = [finished(process) for process in (one, other)]
        if all(code for code, _ in ends):
            outcome.lost.append(f"{stage}: neither run succeeded: {ends}")
        for code, err in ends:
            if code and "another run is writing" not in err:
                outcome.lost.append(f"{stage}: {err!r}")
            outcome.lost += one_line(code, err)
        if digests(folder, BOTH) != right:
            outcome.lost.append(f"{stage}: other outs")
    return outcome


@campaign("download and tasks: files that may not grow (a full disk)", points=20, quick=2)
def no_room(folder: Path, points: int, seed: int) -> Outcome:
    """Every write behind a random byte fails; the old outs stay, a later run succeeds."""
    random, right, outcome = Random(seed), both_done(folder), Outcome(points)
    for point in range(points):
        stage = ("download", "tasks")[point % 2]
        code, err = finished(start(folder, stage, largest=random.randrange(1, 20_000)))
        outcome.lost += one_line(code, err)
        if not code:
            outcome.lost.append(f"{stage}: succeeded without room")
        if digests(folder, BOTH) != right:
            outcome.lost.append(f"{stage}: the old outs were touched")
        outcome.lost += [f"left: {path}" for path in (folder / "data").rglob("*.partial")]
        outcome.seconds.append(done(folder, stage))
    return outcome


@campaign("download and tasks: a folder that cannot be written", points=2, quick=2)
def read_only(folder: Path, points: int, seed: int) -> Outcome:
    """`data` leads to where even root can create nothing."""
    project(folder)
    (folder / "data").symlink_to("/proc/self")
    outcome = Outcome(points)
    for point in range(points):
        code, err = finished(start(folder, ("download", "tasks")[point % 2]))
        outcome.lost += one_line(code, err) if code else ["succeeded"]
    return outcome


def tgz() -> bytes:
    """An archive in Persona-chat's layout, of some size."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for split in artifacts.SPLITS:
            content = (
                b"1 your persona: i am me .\n" + Random(split).randbytes(40_000).hex().encode()
            )
            info = tarfile.TarInfo(f"personachat/{artifacts.raw_text(split).name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@campaign("download: servers that cut, stall, lie and change their file", points=20, quick=1)
def bad_servers(folder: Path, points: int, seed: int) -> Outcome:
    """Each answer is spoilt with some chance; what arrives in the end is right, or refused."""
    random = Random(seed)
    content = tgz()
    outcome = Outcome(points)

    def answer(_: RawServer, connection: socket.socket) -> None:
        kind = random.choice(("right", "cut", "lie", "other", "busy", "slow"))
        body = random.randbytes(len(content)) if kind == "other" else content
        length = len(body) + (100 if kind == "lie" else 0)
        if kind == "busy":
            connection.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
            return
        connection.sendall(
            f'HTTP/1.1 200 OK\r\nETag: "{kind == "other"}"\r\nContent-Length: {length}\r\n'
            "Connection: close\r\n\r\n".encode()
        )
        end = random.randrange(len(body)) if kind == "cut" else len(body)
        for place in range(0, end, 1 << 15):
            connection.sendall(body[place : min(end, place + (1 << 15))])
            time.sleep(0.02 if kind == "slow" else 0)

    with serve_raw(answer) as server:
        project(folder, source=server.url, sha256=sha256(content).hexdigest(), pretrain=None)
        for _ in range(points):
            _forget(folder)
            began = time.monotonic()
            code, err = finished(start(folder, "download"))
            while code and time.monotonic() - began < 90:
                outcome.lost += one_line(code, err)
                code, err = finished(start(folder, "download"))
            outcome.seconds.append(time.monotonic() - began)
            if code or len(list((folder / artifacts.RAW).glob("*.txt"))) != 3:
                outcome.lost.append(f"never arrived: {err!r}")
    return outcome


def _forget(folder: Path) -> None:
    """Remove what was downloaded, the kept archive too."""
    for place in (folder / artifacts.RAW, folder / artifacts.CHECKPOINTS / "download"):
        for path in place.glob("*"):
            path.unlink()
