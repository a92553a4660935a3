"""The budget controls see as many replies as meta-training, in every preset."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline import artifacts
from pipeline.errors import TrainingError
from pipeline.learning.budget import (
    Budget,
    meta_budget,
    normal_budget,
    num_replies,
    steps_for,
)
from pipeline.learning.episodes import encode_tasks, reply_batch, training_episodes
from pipeline.learning.episodes import num_replies as replies_of
from pipeline.learning.maml import meta_gradient
from pipeline.params import MetaTrainParams, Settings, TrainParams
from pipeline.persona.parser import parse_file
from pipeline.persona.synthetic.corpus import write_corpus
from pipeline.persona.task import Dialogue, PersonaTask, Turn
from pipeline.persona.tasks import build_tasks
from stages.budget import budget
from tests.conftest import a_dialogue
from tests.wiring.closure import ROOT


PERSONAS, DIALOGUES, REPLIES = 955, 8939, 65719  # Persona-chat's training split
CONTROLS = {"transfer_outer_budget": "outer", "transfer_total_budget": "total"}


def settings(preset: str) -> Settings:
    return Settings.load(ROOT / f"presets/{preset}.yaml")


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


def budgets(preset: str, tasks: list[PersonaTask]) -> dict[str, tuple[Budget, Budget]]:
    """Each control's (meta-training's budget, its own), from the numbers in the preset."""
    values = settings(preset)
    meta = meta_budget(tasks, values.view(MetaTrainParams), 0)
    found = {}
    for name in CONTROLS:
        train = values.view(TrainParams, values.variant(name).set).train
        own = normal_budget(num_replies(tasks), batch_size=train.batch_size, steps=train.steps)
        found[name] = (meta, own)
    return found


def test_the_embedded_controls_match_within_a_batch(tmp_path):
    for name, (meta, own) in budgets("embedded", synthetic("embedded", tmp_path)).items():
        assert 0 <= own.total - getattr(meta, CONTROLS[name]) < 16, name


def test_the_papers_controls_match_within_a_batch():
    """Four replies of every dialogue, so the budget does not depend on which are drawn."""
    tasks = of_persona_chats_shape(PERSONAS)
    assert num_replies(tasks) == REPLIES
    for name, (meta, own) in budgets("paper", tasks).items():
        assert meta == Budget(total=2 * 4 * 2 * 10_000, outer=4 * 2 * 10_000)
        assert 0 <= own.total - getattr(meta, CONTROLS[name]) < 16, name


def test_the_small_presets_controls_match_in_expectation():
    """Whole dialogues of a part of Persona-chat: the exact number is `stages.budget`'s to say."""
    for name, (meta, own) in budgets("small", of_persona_chats_shape(300)).items():
        assert own.total == pytest.approx(getattr(meta, CONTROLS[name]), rel=0.005), name


@pytest.mark.parametrize("preset", ["embedded", "small", "paper"])
def test_the_controls_never_stop_early_and_differ_in_nothing_else(preset):
    values = settings(preset)
    transfer = values.view(TrainParams).train
    for name in CONTROLS:
        variant = values.variant(name)
        train = values.view(TrainParams, variant.set).train
        assert train.steps < train.patience * train.validate_every
        assert variant.model_copy(update={"set": {}}) == values.variant("transfer")
        same = {"steps": transfer.steps, "patience": transfer.patience}
        assert train.model_copy(update=same) == transfer


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


def test_meta_trainings_budget_is_what_its_steps_report(make_learner):
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
    params = settings("embedded").view(
        MetaTrainParams, {"outer_steps": 3, "outer_batch_size": 2, "inner_batch_size": 2}
    )
    reports = [
        meta_gradient(
            learner,
            {n: v.clone().requires_grad_() for n, v in learner.theta.items()},
            training_episodes(
                encode_tasks(tasks[:3], learner.encoder), size=2, replies=2, seed=5, step=step
            ),
            inner_lr=0.01,
            inner_steps=1,
            kind="exact",
        )
        for step in range(3)
    ]
    expected = Budget(sum(r.replies for r in reports), sum(r.outer_replies for r in reports))
    assert meta_budget(tasks, params, 5) == expected
    assert expected.total != 2 * expected.outer  # sets of unequal size, or it shows too little


def test_no_replies_no_steps():
    with pytest.raises(TrainingError, match="holds no replies"):
        steps_for(10, 0, batch_size=16)


def test_the_command_prints_what_the_preset_holds(tmp_path, monkeypatch):
    tasks = synthetic("embedded", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    artifacts.write_records(artifacts.tasks_file("train"), tasks)
    app = typer.Typer()
    app.command()(budget)
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 0, shown.output
    values = settings("embedded")
    for name in CONTROLS:
        steps = values.variant(name).set["train.steps"]
        assert f"set: {{train.steps: {steps}, train.patience: {steps}}}" in shown.output


def test_the_budget_is_what_the_committed_run_counted(tmp_path):
    """The embedded run's own `variant.json` said 6684 and 3341 (docs/results.md)."""
    meta = meta_budget(
        synthetic("embedded", tmp_path), settings("embedded").view(MetaTrainParams), 0
    )
    table = (ROOT / "docs/results.md").read_text()
    assert f"| `in_place` | 120 | {meta.total} | {meta.outer} |" in table
