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
from pipeline.persona.task.record import SILENCE
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
    for record in (artifacts.BASE_FACTS, artifacts.TASKS_SUMMARY):
        artifacts.write_json(record, {})
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


def rough_files(folder):
    """Write files of conversations that have to be tidied, all of them ann's; return their names.

    Each holds what one rule of the reader is for, and enough of plain talk to adapt to.
    """
    plain = [json.loads(line) for line in conversations(name="ann").splitlines()]
    files = {name: [json.loads(json.dumps(line)) for line in plain] for name in ROUGH}
    for line in files["system"]:
        line["messages"].insert(0, {"role": "system", "content": "be kind , ann ."})
    files["system"][0]["messages"].insert(3, {"role": "system", "content": "ann is tired ."})
    for line in files["long"]:
        for message in line["messages"]:
            message["content"] += " and so it goes on and on for a while" * 2
    files["repeats"].append(
        {
            "person": " ann",
            "messages": [m | {"content": f" {m['content']}\n"} for m in spoken(plain)],
        }
    )
    for line in files["joined"]:
        line["messages"] = [m for m in line["messages"] for m in (m, m | {"content": "yes ."})]
        line["messages"].insert(1, {"role": "user", "content": "  "})
    files["alone"][0]["messages"] = [m for m in spoken(plain) if m["role"] == "assistant"]
    files["alone"][1]["messages"][-2]["content"] = SILENCE
    files["alone"][2]["messages"] += [{"role": "user", "content": "are you there ?"}]
    for name, lines in files.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text)
    others = '{"person": "ann"\r\n\r\n{"person": "bob", "messages": []}\r\n' + conversations(1)
    content = "\ufeff" + others + (folder / "alone.jsonl").read_text().replace("\n", "\r\n")
    (folder / "broken.jsonl").write_text(content, newline="")
    return [*files, "broken"]


ROUGH = ("system", "long", "repeats", "joined", "alone")


def spoken(lines):
    """Return the messages of the first conversation."""
    return lines[0]["messages"]


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
