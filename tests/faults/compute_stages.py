"""Campaigns against the stages that compute: killed, damaged, resumed; the same bytes at last."""

import os
import signal
import time
from pathlib import Path
from random import Random

from pipeline import artifacts
from tests.faults.commands import (
    children_of,
    digests,
    done,
    finished,
    killed_at_random,
    resumed,
)
from tests.faults.forks import started
from tests.faults.registry import Outcome, campaign
from tests.faults.toy import ALONE, RANKS, TRANSMITTER, TWO, project


def _kill(
    folder: Path, words: tuple[str, ...], out: Path, points: int, seed: int, **environ: str
) -> Outcome:
    return killed_at_random(folder, words, (out,), points, Random(seed), most=started, **environ)


@campaign("base: KILL, TERM, INT at random moments", points=40, quick=0)
def kill_base(folder: Path, points: int, seed: int) -> Outcome:
    """Pre-training."""
    project(folder, "download")
    return _kill(folder, ("base",), artifacts.BASE, points, seed, **ALONE)


@campaign("train: KILL, TERM, INT at random moments", points=50, quick=1)
def kill_train(folder: Path, points: int, seed: int) -> Outcome:
    """Normal training, a checkpoint every two steps."""
    project(folder, "download", "tasks", "base")
    out = artifacts.model_dir("transfer", 0)
    return _kill(folder, ("train", "transfer", "0"), out, points, seed, **ALONE)


def _kill_in_place(folder: Path, points: int, seed: int, **environ: str) -> Outcome:
    project(folder, "download", "tasks", "base")
    out = artifacts.model_dir("in_place", 0)
    return _kill(folder, ("meta_train", "in_place", "0"), out, points, seed, **environ)


@campaign("meta_train: KILL, TERM, INT at random moments", points=60, quick=0)
def kill_meta_train(folder: Path, points: int, seed: int) -> Outcome:
    """Algorithm 1."""
    return _kill_in_place(folder, points, seed, **ALONE)


@campaign("meta_train on two ranks: KILL, TERM, INT at random moments", points=15, quick=0)
def kill_ranks(folder: Path, points: int, seed: int) -> Outcome:
    """The command that started the ranks is killed."""
    return _kill_in_place(folder, points, seed, **RANKS)


@campaign("p2_receiver: KILL, TERM, INT at random moments", points=50, quick=0)
def kill_receiver(folder: Path, points: int, seed: int) -> Outcome:
    """P² Bot's receiver."""
    project(folder, "download", "tasks", "base")
    return _kill(folder, ("p2_receiver", "0"), artifacts.receiver_dir(0), points, seed, **ALONE)


@campaign("p2_selfplay: KILL, TERM, INT at random moments", points=40, quick=0)
def kill_selfplay(folder: Path, points: int, seed: int) -> Outcome:
    """P² Bot's self-play."""
    project(folder, "download", "tasks", "base", f"train {TRANSMITTER} 0", "p2_receiver 0")
    out = artifacts.model_dir("p2bot", 0)
    return _kill(folder, ("p2_selfplay", "p2bot", "0"), out, points, seed, **ALONE)


@campaign("finetune on two workers: KILL, TERM, INT at random moments", points=50, quick=0)
def kill_finetune(folder: Path, points: int, seed: int) -> Outcome:
    """Its journal is resumed."""
    project(folder, "download", "tasks", "base", "train transfer 0")
    outs = (artifacts.predictions_file("transfer"), artifacts.identity_file("transfer"))
    words = ("finetune", "transfer")
    return killed_at_random(folder, words, outs, points, Random(seed), most=started, **TWO)


@campaign("finetune: a worker is killed", points=15, quick=0)
def kill_worker(folder: Path, points: int, seed: int) -> Outcome:
    """As the system does for want of memory."""
    return _child_killed(folder, ("finetune", "transfer"), points, seed, TWO, artifacts.PREDICTIONS)


@campaign("meta_train: a rank is killed", points=15, quick=0)
def kill_rank(folder: Path, points: int, seed: int) -> Outcome:
    """As the system does for want of memory."""
    words = ("meta_train", "in_place", "0")
    return _child_killed(folder, words, points, seed, RANKS, artifacts.model_dir("in_place", 0))


def _child_killed(
    folder: Path, words: tuple[str, ...], points: int, seed: int, environ: dict[str, str], out: Path
) -> Outcome:
    random = Random(seed)
    project(folder, "download", "tasks", "base", "train transfer 0")
    usual = done(folder, *words, how=started, **environ)
    right = digests(folder, (out,))
    outcome = Outcome(points)
    for _ in range(points):
        process = started(folder, *words, **environ)
        time.sleep(random.uniform(0.4, 1) * usual)
        children = children_of(process.pid)
        if children:
            os.kill(random.choice(children), signal.SIGKILL)
        outcome.lost += resumed(folder, words, process, right, outcome, how=started, **environ)
    return outcome


@campaign("train: a bit of the last checkpoint is flipped", points=20, quick=0)
def flipped_bits(folder: Path, points: int, seed: int) -> Outcome:
    """Killed in training, the checkpoint damaged: the one before it is used."""
    random = Random(seed)
    project(folder, "download", "tasks", "base")
    words, out = ("train", "transfer", "0"), artifacts.model_dir("transfer", 0)
    done(folder, *words, how=started, **ALONE)
    right = digests(folder, (out,))
    outcome = Outcome(points)
    for _ in range(points):
        process = started(folder, *words, **ALONE)
        place = folder / artifacts.CHECKPOINTS
        while process.poll() is None and not list(place.glob("train-*.before.safetensors")):
            time.sleep(0.01)
        process.kill()
        finished(process)
        for path in place.glob("train-*.safetensors"):
            if ".before." not in path.name:
                content = bytearray(path.read_bytes())
                content[random.randrange(len(content))] ^= 1 << random.randrange(8)
                path.write_bytes(content)
        outcome.seconds.append(done(folder, *words, how=started, **ALONE))
        if digests(folder, (out,)) != right:
            outcome.lost.append("other outs after a flipped bit")
    return outcome
