"""A project of toy size whose every stage takes seconds, and what each stage writes."""

import atexit
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.params import read_yaml
from tests.faults.commands import Words, done
from tests.faults.forks import started
from tests.wiring.closure import ROOT


ALONE = {"OMP_NUM_THREADS": "1", "MAMLVIAPP_WORKERS": "1"}
TWO = {"OMP_NUM_THREADS": "1", "MAMLVIAPP_WORKERS": "2"}
RANKS = {"OMP_NUM_THREADS": "1", "MAMLVIAPP_RANKS": "2"}
TRANSMITTER = "p2bot_transmitter"

SMALL = {"people": {"train": 4, "valid": 2, "test": 2}, "dialogues": 4, "pretrain_lines": 300}


@dataclass(frozen=True)
class Stage:
    """A command, and its outs."""

    words: Words
    outs: tuple[Path, ...]


# In an order in which each finds what it reads.
STAGES = (
    Stage(("download",), (artifacts.RAW, artifacts.PRETRAIN_TEXT)),
    Stage(("tasks",), (artifacts.TASKS,)),
    Stage(("base",), (artifacts.BASE,)),
    Stage(("train", TRANSMITTER, "0"), (artifacts.model_dir(TRANSMITTER, 0),)),
    Stage(("p2_receiver", "0"), (artifacts.receiver_dir(0),)),
    Stage(("train", "transfer", "0"), (artifacts.model_dir("transfer", 0),)),
    Stage(("meta_train", "in_place", "0"), (artifacts.model_dir("in_place", 0),)),
    Stage(("p2_selfplay", "p2bot", "0"), (artifacts.model_dir("p2bot", 0),)),
    Stage(
        ("finetune", "transfer"),
        (artifacts.predictions_file("transfer"), artifacts.identity_file("transfer")),
    ),
    Stage(
        ("score", "transfer"),
        (
            artifacts.metrics_file("transfer"),
            artifacts.kshot_file("transfer"),
            artifacts.details_file("transfer"),
        ),
    ),
    Stage(("floors",), (artifacts.FLOORS,)),
)


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
    params["score"]["bootstrap_samples"] = 100
    return params


def stage(*words: str) -> Stage:
    """Return a stage by its command."""
    return next(one for one in STAGES if one.words == words)


def project(folder: Path, *commands: str) -> None:
    """Write toy parameters, and the outs of the commands named, e.g. `train transfer 0`."""
    YAML().dump(params_of_a_toy(), folder / "params.yaml")
    for one in STAGES:
        if " ".join(one.words) in commands:
            for out in one.outs:
                _copy(_run_once(one) / out, folder / out)


@cache
def _undisturbed() -> Path:
    """Return the project, alone of all, whose stages run once for all campaigns of a process."""
    folder = Path(mkdtemp(prefix="faults-toy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    YAML().dump(params_of_a_toy(), folder / "params.yaml")
    return folder


@cache
def _run_once(one: Stage) -> Path:
    done(_undisturbed(), *one.words, how=started, **ALONE)
    return _undisturbed()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


def whole_project(folder: Path, last: str = "floors") -> list[Stage]:
    """Write toy parameters, and the outs of all stages up to one; return them."""
    names = [one.words[0] for one in STAGES]
    stages = [*STAGES[: len(names) - names[::-1].index(last)]]
    project(folder, *(" ".join(one.words) for one in stages))
    return stages


def without(folder: Path, path: Path) -> None:
    """Remove a file or a folder."""
    place = folder / path
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
