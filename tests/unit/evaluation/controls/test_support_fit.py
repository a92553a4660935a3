"""The support loss: fine-tuning's own updates, the persona's own replies, falls by hand."""

import shutil

import pytest

from pipeline import artifacts
from pipeline.evaluation.controls.support_fit import falls, support_fit
from pipeline.evaluation.predict import inputs
from pipeline.evaluation.predict.persona import PersonaRun
from pipeline.evaluation.predict.protocols import leave_one_out
from pipeline.evaluation.statistics.bootstrap import Bootstrap
from pipeline.params import FinetuneParams, Generate, MaxFolds
from pipeline.persona.task.record import PersonaTask
from stages.studies import support as stage
from tests.conftest import a_dialogue
from tests.support.finetuning import finetune_params
from tests.support.prediction_builder import a_prediction
from tests.wiring.closure import ROOT


PARAMS = FinetuneParams(
    finetune=finetune_params(k=[], max_folds=MaxFolds(valid=None, test=1)),
    generate=Generate(seed=0, top_p=0.9, temperature=1.0, samples=1, max_new_tokens=3),
    seeds=[0],
)
TASKS = [
    PersonaTask(
        task_id=f"test-{n}",
        split="test",
        dialogues=[a_dialogue(10 * n + number, turns=2) for number in range(3)],
    )
    for n in range(2)
]


@pytest.fixture
def learner(make_learner):
    return make_learner("in_place", double=True, n_positions=512)


@pytest.fixture
def records(learner):
    return [r for task in TASKS for r in support_fit(learner, task, TASKS, PARAMS, seed=0)]


def held_out(task):
    (fold,) = leave_one_out(task, PARAMS.finetune)
    return fold.query[0].dialogue_id


def test_the_updates_are_those_of_finetune(learner, records):
    """The held-out dialogue's likelihoods are the run's, own support and stranger's, to the bit."""
    run = PersonaRun(learner, 0, TASKS, PARAMS).test(TASKS, 3)
    expected = {
        (r.protocol, r.task_id, r.turn, r.epoch): (r.nll, r.nll_end) for those in run for r in those
    }
    found = {
        (r.protocol, r.task_id, r.turn, r.epoch): (r.nll, r.nll_end)
        for r in records
        if any(r.dialogue_id == held_out(task) for task in TASKS)
    }
    assert found == expected
    assert {protocol for protocol, *_ in found} == {"leave_one_out", "swap"}


def test_every_own_reply_is_scored_whosever_the_support(records):
    for task in TASKS:
        own = {(d.dialogue_id, turn) for d in task.dialogues for turn in range(len(d.turns))}
        for protocol in ("leave_one_out", "swap"):
            for epoch in (0, 1, 3):
                those = [
                    (r.dialogue_id, r.turn)
                    for r in records
                    if (r.task_id, r.protocol, r.epoch) == (task.task_id, protocol, epoch)
                ]
                assert sorted(those) == sorted(own)


def test_the_loss_that_is_descended_falls(records):
    found = falls(TASKS, records, PARAMS, Bootstrap(200, 0)).support
    first, last = (found[epoch].gain.value for epoch in (1, 3))
    assert 0 < first < last
    assert found[3].swap_gap.value > 0


def test_falls_by_hand():
    """Two tokens a reply: support 4 to 2 nats and 3 by a stranger's, held out 4 to 3 and 4."""
    after = {"support": (2.0, 3.0), "held_out": (3.0, 4.0)}
    records = [
        a_prediction(
            task_id=task.task_id,
            dialogue_id=dialogue.dialogue_id,
            protocol=protocol,
            epoch=epoch,
            nll=nats,
            nll_end=0.0,
            num_tokens=1,
        )
        for task in TASKS
        for dialogue in task.dialogues
        for own, stranger in [
            after["held_out" if dialogue.dialogue_id == held_out(task) else "support"]
        ]
        for protocol, epoch, nats in (
            ("leave_one_out", 0, 4.0),
            ("leave_one_out", 1, own),
            ("swap", 0, 4.0),
            ("swap", 1, stranger),
        )
    ]
    found = falls(TASKS, records, PARAMS, Bootstrap(200, 0)).content()
    del found["seeds"]
    values = {
        part: [found[part]["1"][name]["value"] for name in ("gain", "swap_gain", "swap_gap")]
        for part in found
    }
    assert values == {"support": [1.0, 0.5, 0.5], "held_out": [0.5, 0.0, 0.5]}


def test_the_command_writes_it(learner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAMLVIAPP_WORKERS", "1")
    shutil.copy(ROOT / "presets/embedded.yaml", "params.yaml")
    artifacts.write_records(artifacts.tasks_file("test"), TASKS)
    for folder in (artifacts.model_dir("in_place", 0), artifacts.BASE):
        artifacts.write_text(folder / "x", "x")
    monkeypatch.setattr(stage, "load_variant", lambda name, seed: learner)
    monkeypatch.setattr(inputs, "finetune_params", lambda name: PARAMS)
    monkeypatch.setattr(inputs, "_made_with", lambda *_: {})
    stage.support("in_place")
    found = artifacts.read_json(artifacts.support_file("in_place"), made_by="support")
    assert found["seeds"] == [0]
    assert found["support"]["3"]["gain"]["value"] > 0
    assert found["made_from"]["tasks"] == artifacts.sha256_of(artifacts.TASKS)
    assert [*found["made_from"]["models"]] == ["0"]
    assert not list((tmp_path / ".checkpoints").glob("support-*"))
