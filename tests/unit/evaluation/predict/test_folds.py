"""Scores that are not finite end the run by one line, before anything is drawn from them."""

from dataclasses import replace

import pytest
import torch

from pipeline.errors import DivergedError
from pipeline.evaluation.predict.folds import FoldJob, score_folds
from pipeline.evaluation.predict.protocols import leave_one_out
from pipeline.params import FinetuneParams, Settings
from pipeline.persona.task.record import PersonaTask
from tests.conftest import a_dialogue
from tests.wiring.closure import ROOT


@pytest.fixture
def params():
    """One update in all: its loss is that of θ itself, and finite."""
    params = Settings.load(ROOT / "presets/embedded.yaml").view(FinetuneParams)
    finetune = params.finetune.model_copy(
        update={"optimizer": "sgd", "lr": 1e30, "epochs": [0, 1], "batch_size": None}
    )
    return params.model_copy(update={"finetune": finetune})


def asked(params, count=1):
    dialogues = [a_dialogue(number) for number in range(2)]
    tasks = [PersonaTask(task_id=f"p{n}", split="test", dialogues=dialogues) for n in range(count)]
    folds = [(task, leave_one_out(task, params.finetune)[0]) for task in tasks]
    return [FoldJob(task, fold, frozenset({1} if count == 1 else ())) for task, fold in folds]


def test_a_last_update_that_diverges_is_named(make_learner, params):
    told = r"leave_one_out/p0/d\d/1, epoch 1, d\d, reply 0: a score is (nan|inf); lower finetune.lr"
    with pytest.raises(DivergedError, match=told):
        score_folds(make_learner(n_positions=512), asked(params), params, at_once=1)


def test_a_last_update_that_diverges_is_named_where_folds_share_a_pass(make_learner, params):
    learner = make_learner("extra_place", n_positions=512)
    with pytest.raises(DivergedError, match=r"epoch 1, d\d, reply 0: a score is (nan|inf); lower"):
        score_folds(learner, asked(params, 2), params, at_once=2)


def test_a_model_that_is_not_finite_itself_is_named(make_learner, params):
    learner = make_learner(n_positions=512)
    theta = {name: torch.full_like(value, torch.nan) for name, value in learner.theta.items()}
    with pytest.raises(DivergedError, match=r"p0, epoch 0, d\d, reply 0: .* train again at lower"):
        score_folds(replace(learner, theta=theta), asked(params), params, at_once=1)
