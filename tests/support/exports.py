"""Trained variants of toy size on disk, and a process that imports `transformers` alone."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from pipeline import artifacts
from pipeline.learning.training.loop import Trained, TrainingProgress
from pipeline.learning.training.variant_run import save
from pipeline.model.base.huggingface_folder import write_model
from pipeline.model.base.load import load_base
from pipeline.model.network.learner import build_learner
from pipeline.params import Adapters, Variant
from tests.conftest import AXES, a_dialogue
from tests.support.toy_project import toy_params, write_params
from tests.support.variant_runs import a_run


CPU = torch.device("cpu")
KINDS = ("bottleneck", "lora", "ia3")


def write_base(tokenizer, model):
    """Write a base, parameters and what stands for tasks into the working folder."""
    artifacts.BASE.mkdir(parents=True)
    write_model(model, artifacts.BASE)
    tokenizer.save_pretrained(artifacts.BASE)
    for split in ("train", "valid"):
        if not artifacts.tasks_file(split).is_file():
            artifacts.write_text(artifacts.tasks_file(split), split)
    write_params(Path(), toy_params())


def save_variant(name="in_place", axes=AXES["in_place"], kind=None, rates=None):
    """Train a variant of the base that is there to other values; return its learner and θ."""
    adapters = Adapters(kind=kind or "bottleneck", bottleneck=4, init_std=0.3, rank=3, alpha=7.0)
    learner = build_learner(
        axes, adapters, load_base(artifacts.BASE), seed=1, attention="sdpa", device=CPU
    )
    generator = torch.Generator().manual_seed(5)
    moved = {
        name: value + 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in learner.theta.items()
    }
    own = replace(a_run(), name=name, variant=axes, adapters=adapters)
    save(own, learner, Trained(moved, TrainingProgress()), {}, rates and rates(learner))
    return learner, moved


def with_phi(**more):
    """The axes of Extra-place, or of a variant with other axes beside."""
    return Variant(**{"init": "pretrained", "adapters": True, "freeze_base": True} | more)


def conversations(count=4, turns=3, name="somebody"):
    """Lines of a file of conversations: the person begins one, and says two things in a row."""
    lines = []
    for number in range(count):
        dialogue = a_dialogue(11 * number, turns=turns)
        said = [
            {"role": role, "content": text}
            for turn in dialogue.turns
            for role, text in (("user", turn.partner), ("assistant", turn.reply))
        ]
        said = said[1:] if number == 1 else said
        said += [{"role": "assistant", "content": "and i like it ."}] if number == 2 else []
        line = {"person": name, "persona": dialogue.persona, "messages": said}
        lines.append(json.dumps(line))
    return "\n".join(lines) + "\n"


def alone(program, *arguments):
    """Run a program that cannot import this project; return what it prints."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MAMLVIAPP"))}
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", program, *map(str, arguments)],
        env=environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
