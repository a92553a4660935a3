"""A test candidate that fits nowhere ends a run before it trains, not after all training."""

import pytest

from pipeline import artifacts
from pipeline.errors import ContextError
from pipeline.persona.task.record import PersonaTask
from tests.support.toy_project import STAGES, toy_params, write_project


def _never(*_, **__):
    raise AssertionError("something is trained")


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize(("stage", "variant"), [("train", "adapters"), ("meta_train", "in_place")])
def test_nothing_is_trained(tmp_path, tokenizer, monkeypatch, stage, variant, split):
    write_project(tmp_path, tokenizer, toy_params())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.learning.training.loop.run", _never)
    path = artifacts.tasks_file("valid")
    task, *_ = artifacts.read_records(path, PersonaTask, made_by="tasks")
    turns = list(task.dialogues[1].turns)
    others = ["dogs " * 300, *(turns[1].candidates or ())[1:]]
    turns[1] = turns[1].model_copy(update={"candidates": others})
    dialogue = task.dialogues[1].model_copy(update={"turns": turns})
    held_out = task.model_copy(update={"dialogues": [dialogue], "split": split})
    artifacts.write_records(artifacts.tasks_file(split), [held_out])
    with pytest.raises(ContextError, match=f"dialogue {dialogue.dialogue_id}: its candidate 'dogs"):
        STAGES[stage](variant, 0)
