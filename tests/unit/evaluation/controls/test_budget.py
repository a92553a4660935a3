"""The controls see as many replies as meta-training, counted by draws and by real runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline import artifacts
from pipeline.errors import ParamsError, TrainingError
from pipeline.evaluation.controls.budget import (
    Budget,
    check_control,
    control,
    meta_budget,
    normal_budget,
    num_replies,
    steps_for,
)
from pipeline.learning.meta.maml import meta_gradient
from pipeline.learning.meta.train import episode_size, inner_loop_of
from pipeline.learning.task_loss.episodes import encode_tasks, reply_batch, training_episodes
from pipeline.learning.task_loss.episodes import num_replies as replies_of
from pipeline.model.files.variant_record import TrainingRun
from pipeline.params import MetaTrainParams, Settings, TrainParams, Variant, load_preset
from pipeline.persona.synthetic.corpus import write_corpus
from pipeline.persona.task.record import Dialogue, PersonaTask, Turn
from pipeline.persona.tasks.build import build_tasks
from pipeline.persona.tasks.parser import parse_file
from stages.studies.budget import budget
from tests.conftest import a_dialogue
from tests.support.sealed import edit_sealed
from tests.support.toy_project import run_stage, toy_params, write_params, write_project
from tests.wiring.closure import ROOT


PERSONAS, DIALOGUES, REPLIES = 955, 8939, 65719  # Persona-chat's training split


def settings(preset: str) -> Settings:
    return load_preset(preset, ROOT / "presets")


def synthetic(preset: str, folder: Path) -> list[PersonaTask]:
    params = settings(preset).check()
    path = folder / "train.txt"
    path.write_text(write_corpus(params.data.synthetic).texts["train"])
    return build_tasks(parse_file(path), "train", params.tasks)


def of_persona_chats_shape(personas: int) -> list[PersonaTask]:
    """So many personas with Persona-chat's mean numbers of dialogues and of replies."""
    longer = REPLIES - 7 * DIALOGUES  # 7 replies in a dialogue, 8 in so many of them
    turn = Turn(partner="hi", reply="hello")
    dialogues: list[list[Dialogue]] = [[] for _ in range(PERSONAS)]
    for i in range(DIALOGUES):
        size = 7 + ((i + 1) * longer // DIALOGUES - i * longer // DIALOGUES)
        dialogues[i % PERSONAS].append(
            Dialogue(dialogue_id=f"d{i}", persona=[], turns=[turn] * size)
        )
    return [
        PersonaTask(task_id=f"p{i}", split="train", dialogues=those)
        for i, those in enumerate(dialogues[:personas])
    ]


@pytest.mark.parametrize("kind", ["outer", "total"])
def test_the_papers_controls_match_within_a_batch(kind):
    """Four replies of every dialogue, so the budget does not depend on which are drawn."""
    values, tasks = settings("paper"), of_persona_chats_shape(PERSONAS)
    assert num_replies(tasks) == REPLIES
    meta = meta_budget(tasks, values.view(MetaTrainParams), 0)
    assert meta == Budget(total=2 * 4 * 2 * 10_000, outer=4 * 2 * 10_000)
    steps = steps_for(getattr(meta, kind), REPLIES, batch_size=16)
    own = normal_budget(REPLIES, batch_size=16, steps=steps)
    assert 0 <= own.total - getattr(meta, kind) < 16


def test_a_control_differs_in_steps_alone_and_never_stops_early():
    values = settings("embedded")
    variant = Variant(
        init="pretrained", adapters=True, set={"inner_lr": 0.5, "outer_steps": 7, "finetune.lr": 2}
    )
    found = control(variant, 333)
    assert found.model_copy(update={"set": {}}) == variant.model_copy(update={"set": {}})
    assert found.set == {"finetune.lr": 2, "train.steps": 333, "train.patience": 333}
    train, plain = (values.view(TrainParams, those).train for those in (found.set, {}))
    assert train.model_copy(update={"steps": plain.steps, "patience": plain.patience}) == plain
    assert train.steps < train.patience * train.validate_every


def a_run(**values) -> TrainingRun:
    counts = dict.fromkeys(("steps", "best_step", "replies", "tokens", "operations"), 1)
    counts |= dict.fromkeys(("trained_parameters", "all_parameters"), 1)
    there = {"name": "it", "method": "train", "seed": 0, "outer_replies": 0, "inner_rates": None}
    there |= {"axes": Variant(init="random"), "dialogues": {}, "over_context": {}}
    there["adapters"] = settings("embedded").check().adapters
    return TrainingRun.model_validate(there | counts | values)


def test_budgets_are_equal_from_as_many_to_less_than_a_batch_more():
    assert check_control(a_run(outer_replies=100), 100, batch_size=16) == 0
    assert check_control(a_run(outer_replies=115), 100, batch_size=16) == 15
    for wrong in ({"outer_replies": 99}, {"outer_replies": 116}):
        with pytest.raises(TrainingError, match="an equal budget is 100 by train"):
            check_control(a_run(**wrong), 100, batch_size=16)
    with pytest.raises(TrainingError, match="meta_train, 100 replies in the loss"):
        check_control(a_run(outer_replies=100, method="meta_train"), 100, batch_size=16)


def test_steps_are_counted_as_normal_training_deals_replies_out(tokenizer, make_learner):
    tasks = [
        PersonaTask(
            task_id=f"p{i}",
            split="train",
            dialogues=[a_dialogue(3 * i + j, turns=2 + j) for j in range(3)],
        )
        for i in range(3)
    ]
    encoded = encode_tasks(tasks, make_learner().encoder)
    dialogues = [d for task in encoded for d in task.dialogues]
    there = num_replies(tasks)
    assert there == sum(map(replies_of, dialogues)) == 27
    seen = 0
    for step in range(9):
        batch = reply_batch(dialogues, size=4, seed=0, step=step)
        seen += sum(len(piece.spans) for piece in batch)
        assert normal_budget(there, batch_size=4, steps=step + 1).total == seen
        assert steps_for(seen, there, batch_size=4) == step + 1
        assert steps_for(seen - 1, there, batch_size=4) == step + 1


@pytest.mark.parametrize("support_loss", [0.0, 0.5])
@pytest.mark.parametrize("dialogues", [1, 2])
def test_meta_trainings_budget_is_what_its_steps_report(make_learner, dialogues, support_loss):
    tasks = [
        PersonaTask(
            task_id=f"p{i}",
            split="train",
            dialogues=[a_dialogue(3 * i + j, turns=1 + j + i) for j in range(3)],
        )
        for i in range(3)
    ]
    tasks += [PersonaTask(task_id="one", split="train", dialogues=[a_dialogue(9)])]
    learner = make_learner()
    sizes = {"outer_batch_size": 2, "inner_batch_size": 2, "inner_dialogues": dialogues}
    values = {"outer_steps": 3, "meta_train.support_loss": support_loss, **sizes}
    params = settings("embedded").view(MetaTrainParams, values)
    reports = [
        meta_gradient(
            learner,
            {n: v.clone().requires_grad_() for n, v in learner.theta.items()},
            training_episodes(
                encode_tasks(tasks[:3], learner.encoder), 2, episode_size(params), seed=5, step=step
            ),
            inner_loop_of(learner, params),
        )
        for step in range(3)
    ]
    expected = Budget(sum(r.replies for r in reports), sum(r.outer_replies for r in reports))
    assert meta_budget(tasks, params, 5) == expected
    assert expected.total != 2 * expected.outer  # sets of unequal size, or it shows too little


def test_no_replies_no_steps():
    with pytest.raises(TrainingError, match="holds no replies"):
        steps_for(10, 0, batch_size=16)


@pytest.fixture
def toy(tmp_path, tokenizer, monkeypatch):
    """A project of toy size, and `stages.budget in_place` in it."""
    write_project(tmp_path, tokenizer, toy_params())
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(budget)

    def ask(name: str = "in_place") -> Result:
        return CliRunner().invoke(app, [name])

    return ask


def printed(output: str) -> dict[str, dict[str, Any]]:
    """The variants among the printed lines, as they would be pasted."""
    return YAML(typ="safe", pure=True).load("\n".join(re.findall(r"^  .*$", output, re.MULTILINE)))


@pytest.mark.slow
def test_the_printed_controls_are_of_equal_budget_in_real_runs(toy, tmp_path):
    """Meta-training and both controls are trained; their own counts decide."""
    to_come = toy().stdout
    assert "in 4 steps to come" in to_come
    params = toy_params()
    params["variants"] |= printed(to_come)
    write_params(tmp_path, params)
    assert run_stage(tmp_path, "meta_train", "in_place", "0") == 0
    for name in ("in_place_outer_budget", "in_place_total_budget"):
        assert run_stage(tmp_path, "train", name, "0") == 0
    done = toy().stdout
    assert "16 replies in the outer loss, 32 in any loss, as its run of 4 steps" in done
    assert printed(done[: done.index("models/")]) == printed(to_come)
    assert "models/in_place_outer_budget: equal budget, 16 replies and 2 more" in done
    assert "models/in_place_total_budget: equal budget, 32 replies and 1 more" in done

    path = artifacts.model_dir("in_place_total_budget", 0) / "variant.json"
    edit_sealed(path, lambda record: record | {"outer_replies": 31})
    assert isinstance((wrong := toy()).exception, TrainingError)
    assert "in_place_total_budget, seed 0: train, 31 replies" in str(wrong.exception)


def test_normal_training_has_no_controls(toy):
    assert isinstance(toy("transfer").exception, ParamsError)


def test_the_budget_is_what_the_committed_run_counted(tmp_path):
    """The embedded run's own `variant.json` said 6684 and 3341 (study equal_budget)."""
    meta = meta_budget(
        synthetic("embedded", tmp_path), settings("embedded").view(MetaTrainParams), 0
    )
    table = (ROOT / "studies/equal_budget/README.md").read_text()
    assert f"| `in_place` | 120 (120) | {meta.outer} | {meta.total} |" in table
