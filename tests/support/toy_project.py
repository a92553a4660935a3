"""A project of toy size whose stages run in seconds, for commands that start them."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.model.base.huggingface_folder import write_model
from pipeline.params import read_yaml
from pipeline.persona.task.record import Dialogue, PersonaTask
from stages import finetune, meta_train, score, train
from stages.shell import console
from tests.conftest import a_dialogue, tiny_gpt2
from tests.support.processes import run
from tests.wiring.closure import ROOT


STAGES = {
    "train": train.train,
    "meta_train": meta_train.meta_train,
    "finetune": finetune.finetune,
    "score": score.score,
}


def toy_params() -> dict[str, Any]:
    """The embedded preset with a few steps, folds and tokens."""
    params = read_yaml(ROOT / "presets/embedded.yaml")
    params |= {"outer_steps": 4, "outer_batch_size": 2}
    params["meta_train"] |= {"validate_every": 2, "valid_episodes": 1}
    params["train"] |= {"steps": 2, "batch_size": 3, "validate_every": 2, "valid_episodes": 1}
    params["finetune"] |= {"epochs": [0, 1], "k": [0, 1]}
    params["finetune"]["max_folds"] = {"valid": 1, "test": 1}
    params["generate"]["max_new_tokens"] = 2
    return params


def write_params(folder: Path, params: dict[str, Any]) -> None:
    """Put `params` in force."""
    YAML().dump(params, folder / artifacts.PARAMS)


def write_params_as_predicted(folder: Path) -> None:
    """Put in force the embedded preset as predictions of epochs 0 and 1 without K-shot have it."""
    params = read_yaml(ROOT / "presets/embedded.yaml")
    params["finetune"] |= {"epochs": [0, 1], "k": []}
    write_params(folder, params)


def write_tasks(folder: Path, split: str, count: int) -> None:
    """Write so many personas of three dialogues, of two replies each; the gold is candidate 7."""
    tasks = [
        PersonaTask(
            task_id=f"{split}{i}",
            split=split,
            dialogues=[_with_candidates(a_dialogue(7 * i + j, turns=2)) for j in range(3)],
        )
        for i in range(count)
    ]
    artifacts.write_records(folder / artifacts.tasks_file(split), tasks)


def _with_candidates(dialogue: Dialogue) -> Dialogue:
    turns = []
    for turn in dialogue.turns:
        others = [f"word {number}" for number in range(19)]
        there = {"candidates": [*others[:7], turn.reply, *others[7:]], "gold": 7}
        turns.append(turn.model_copy(update=there))
    return dialogue.model_copy(update={"turns": turns})


def write_project(folder: Path, tokenizer: Any, params: dict[str, Any]) -> None:
    """Write parameters, training and valid tasks, no test task and a base of one layer."""
    write_params(folder, params)
    write_tasks(folder, "train", 3)
    write_tasks(folder, "valid", 2)
    write_tasks(folder, "test", 0)
    base = folder / artifacts.BASE
    base.mkdir(parents=True)
    write_model(tiny_gpt2(tokenizer, n_layer=1), base)
    tokenizer.save_pretrained(base)
    for record in (artifacts.BASE_FACTS, artifacts.TASKS_SUMMARY):
        artifacts.write_json(folder / record, {})


def run_stage(folder: Path, name: str, variant: str, *seed: str) -> int:
    """Run a stage in a fork, quicker than its command; return the command's exit code."""
    (code,) = run(_stage, name, variant, *map(int, seed), folder=folder)
    return code


def _stage(name: str, *arguments: Any) -> None:
    with console._one_line_errors():
        STAGES[name](*arguments)
