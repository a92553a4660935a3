"""A folder with all that the report reads: committed metrics, a test task, predictions, runs."""

import json
import shutil
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.persona.task.record import Dialogue, PersonaTask, Turn
from stages.report import report
from tests.support.one_run import say_one_run
from tests.support.prediction_builder import full
from tests.support.training_runs import content as a_run
from tests.wiring.closure import ROOT


HISTORY = "step,outer_loss,valid_loss\n0,,2.5\n1,2.0,\n2,1.0,1.5\n"
LEAKS = {"personas_in_two_splits": {"train_test": 2}, "test": {"duplicate_candidates": 0}}


def lay_out(folder: Path) -> None:
    """Write the least that the report reads; metrics/ is a copy of the committed one."""
    shutil.copytree(ROOT / "metrics", folder / "metrics")
    (folder / "presets").symlink_to(ROOT / "presets")
    (folder / "params.yaml").write_bytes((ROOT / "presets/embedded.yaml").read_bytes())
    splits = {split: {"personas": 5} for split in artifacts.SPLITS}
    summary = {"splits": splits, "leaks": LEAKS, "more": 1}
    artifacts.write_json(folder / artifacts.TASKS_SUMMARY, summary)
    base = {"source": "folder", "num_parameters": 1234, "pretraining": None}
    artifacts.write_json(folder / artifacts.BASE_FACTS, base)
    train(folder, "in_place", 0)
    say_one_run(folder)


def train(folder: Path, name: str, seed: int) -> None:
    """Write the records of a training run."""
    run = folder / artifacts.model_dir(name, seed)
    artifacts.write_text(run / "history.csv", HISTORY)
    base = artifacts.sha256_of(folder / artifacts.BASE)
    artifacts.write_sealed(run / "variant.json", a_run(name=name, seed=seed, base=base))


def scored() -> dict[str, int]:
    """The headline epoch of every variant that is scored in the tree."""
    files = sorted((ROOT / artifacts.DETAILS).glob("*.json"))
    contents = {file.stem: json.loads(file.read_text()) for file in files}
    return {n: c["headline"]["epoch"] for n, c in contents.items() if "headline" in c}


def talk(folder: Path, words: str, replies: int = 2) -> None:
    """Write a test task and every variant's predictions, all of whose texts hold `words`."""
    turns = [Turn(partner=f"{words} ask {i}", reply=f"{words} say {i}") for i in range(replies)]
    dialogue = Dialogue(dialogue_id='test-"0"', persona=[f"{words} i am."], turns=turns)
    task = PersonaTask(task_id="p0", split="test", dialogues=[dialogue])
    artifacts.write_records(folder / artifacts.tasks_file("test"), [task])
    for name, headline in scored().items():
        records = [
            full(
                response=f"{words} {name} at {epoch}",
                dialogue_id=dialogue.dialogue_id,
                turn=turn,
                epoch=epoch,
                reference=turns[turn].reply,
            )
            for turn in range(replies)
            for epoch in dict.fromkeys((0, headline))
        ]
        artifacts.write_records(folder / artifacts.predictions_file(name), records)
    say_one_run(folder)


def page_of(folder: Path, words: str) -> Path:
    """Make the committed metrics' page, with a persona, partner and model that say `words`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        lay_out(folder)
        talk(folder, words)
        report()
    return folder / artifacts.REPORT / "index.html"
