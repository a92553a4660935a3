"""Campaigns against the stages that compute: killed, damaged, resumed; the same bytes at last."""

import os
import signal
import time
from pathlib import Path
from random import Random
from typing import Any

from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.params import read_yaml
from tests.faults.commands import digests, done, finished, killed_at_random, one_line, start
from tests.faults.registry import Outcome, campaign
from tests.wiring.closure import ROOT


SMALL = {"people": {"train": 4, "valid": 2, "test": 2}, "dialogues": 4, "pretrain_lines": 300}
TRANSMITTER = "p2bot_transmitter"
INPUTS = (
    ("download",),
    ("tasks",),
    ("base",),
    ("train", TRANSMITTER, "0"),
    ("p2_receiver", "0"),
    ("train", "transfer", "0"),
)
ALONE = {"OMP_NUM_THREADS": "1", "MAMLVIAPP_WORKERS": "1"}
TWO = {"OMP_NUM_THREADS": "1", "MAMLVIAPP_WORKERS": "2"}
RANKS = {"OMP_NUM_THREADS": "1", "MAMLVIAPP_RANKS": "2"}


def params_of_a_toy() -> dict[str, Any]:
    """Return the embedded preset, so small that a stage takes seconds."""
    params = read_yaml(ROOT / "presets/embedded.yaml")
    params["data"]["synthetic"].update(SMALL)
    params["base"]["pretrain"].update(
        {"steps": 40, "num_layers": 1, "width": 32, "num_heads": 2, "vocab_size": 300}
    )
    params |= {"outer_steps": 12, "outer_batch_size": 2}
    params["meta_train"] |= {"validate_every": 2, "valid_episodes": 1}
    params["train"] |= {"steps": 12, "batch_size": 4, "validate_every": 2, "valid_episodes": 1}
    params["finetune"] |= {"epochs": [0, 1], "k": [0, 1], "max_folds": {"valid": 1, "test": 1}}
    params["generate"]["max_new_tokens"] = 3
    params["p2bot"]["receiver"] |= {"steps": 12, "validate_every": 2}
    params["p2bot"]["self_play"] |= {"steps": 6, "validate_every": 2}
    return params


def project(folder: Path, *stages: str) -> None:
    """Write toy parameters, and run what the stages named need."""
    YAML().dump(params_of_a_toy(), folder / "params.yaml")
    for command in INPUTS:
        if command[0] in stages or " ".join(command) in stages:
            done(folder, *command, **ALONE)


def _kill(
    folder: Path, words: tuple[str, ...], out: Path, points: int, seed: int, **environ: str
) -> Outcome:
    return killed_at_random(folder, words, (out,), points, Random(seed), **environ)


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


@campaign("meta_train: KILL, TERM, INT at random moments", points=50, quick=0)
def kill_meta_train(folder: Path, points: int, seed: int) -> Outcome:
    """Algorithm 1."""
    return _kill_in_place(folder, points, seed, **ALONE)


@campaign("meta_train on two ranks: KILL, TERM, INT at random moments", points=30, quick=0)
def kill_ranks(folder: Path, points: int, seed: int) -> Outcome:
    """The command that started the ranks is killed."""
    return _kill_in_place(folder, points, seed, **RANKS)


@campaign("p2_receiver: KILL, TERM, INT at random moments", points=40, quick=0)
def kill_receiver(folder: Path, points: int, seed: int) -> Outcome:
    """P² Bot's receiver."""
    project(folder, "download", "tasks", "base")
    return _kill(folder, ("p2_receiver", "0"), artifacts.receiver_dir(0), points, seed, **ALONE)


@campaign("p2_selfplay: KILL, TERM, INT at random moments", points=40, quick=0)
def kill_selfplay(folder: Path, points: int, seed: int) -> Outcome:
    """P² Bot's self-play."""
    project(folder, "download", "tasks", "base", f"train {TRANSMITTER} 0", "p2_receiver")
    out = artifacts.model_dir("p2bot", 0)
    return _kill(folder, ("p2_selfplay", "p2bot", "0"), out, points, seed, **ALONE)


@campaign("finetune on two workers: KILL, TERM, INT at random moments", points=50, quick=0)
def kill_finetune(folder: Path, points: int, seed: int) -> Outcome:
    """Its journal is resumed."""
    project(folder, "download", "tasks", "base", "train transfer 0")
    outs = (artifacts.predictions_file("transfer"), artifacts.identity_file("transfer"))
    return killed_at_random(folder, ("finetune", "transfer"), outs, points, Random(seed), **TWO)


@campaign("finetune: a worker is killed", points=15, quick=0)
def kill_worker(folder: Path, points: int, seed: int) -> Outcome:
    """As the system does for want of memory."""
    return _child_killed(folder, ("finetune", "transfer"), points, seed, TWO, "worker")


@campaign("meta_train: a rank is killed", points=15, quick=0)
def kill_rank(folder: Path, points: int, seed: int) -> Outcome:
    """As the system does for want of memory."""
    return _child_killed(folder, ("meta_train", "in_place", "0"), points, seed, RANKS, "rank")


def _child_killed(
    folder: Path, words: tuple[str, ...], points: int, seed: int, environ: dict[str, str], what: str
) -> Outcome:
    random = Random(seed)
    project(folder, "download", "tasks", "base", "train transfer 0")
    out = Path(*{"finetune": ("predictions",), "meta_train": ("models", "in_place")}[words[0]])
    usual = done(folder, *words, **environ)
    right = digests(folder, (out,))
    outcome = Outcome(points)
    for _ in range(points):
        process = start(folder, *words, **environ)
        time.sleep(random.uniform(0.4, 1) * usual)
        children = _children(process.pid)
        if children:
            os.kill(random.choice(children), signal.SIGKILL)
        code, err = finished(process)
        if code:
            outcome.lost += one_line(code, err)
        outcome.seconds.append(done(folder, *words, **environ))
        if digests(folder, (out,)) != right:
            outcome.lost.append(f"{words}: other outs after a {what} was killed")
    return outcome


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


@campaign("train: a bit of the last checkpoint is flipped", points=20, quick=0)
def flipped_bits(folder: Path, points: int, seed: int) -> Outcome:
    """Killed in training, the checkpoint damaged: the one before it is used."""
    random = Random(seed)
    project(folder, "download", "tasks", "base")
    words, out = ("train", "transfer", "0"), artifacts.model_dir("transfer", 0)
    done(folder, *words, **ALONE)
    right = digests(folder, (out,))
    outcome = Outcome(points)
    for _ in range(points):
        process = start(folder, *words, **ALONE)
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
        outcome.seconds.append(done(folder, *words, **ALONE))
        if digests(folder, (out,)) != right:
            outcome.lost.append("other outs after a flipped bit")
    return outcome
