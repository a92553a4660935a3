"""Whom `chat` compares a person with: people of the tasks that the model was trained beside."""

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, ModelError, TrainingError
from pipeline.outs import write_record
from pipeline.processes import memory
from stages.commands import chat as command
from stages.commands.chat import chat
from tests.conftest import tiny_gpt2
from tests.support.exports import conversations, save_variant, write_base
from tests.support.toy_project import write_tasks


@pytest.fixture
def here(tokenizer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 1), ("valid", 2), ("test", 3)):
        write_tasks(tmp_path, split, count)
    write_base(tokenizer, tiny_gpt2(tokenizer, n_layer=1, n_positions=512))
    write_record(artifacts.TASKS, artifacts.TASKS_SUMMARY.name, {})
    save_variant()
    (tmp_path / "me.jsonl").write_text(conversations(name="ann"))
    monkeypatch.setattr(command, "TerminalTalk", lambda talk: talk.session)
    monkeypatch.setattr("pipeline.evaluation.personal.session.Session.run", int, raising=False)
    return tmp_path


def test_a_stranger_is_one_of_the_models_own_tasks(here, capsys, monkeypatch):
    def other(record, *, tasks):
        raise ModelError(f"{record.name}: trained from other tasks" if tasks else "")

    chat("in_place", person=here / "me.jsonl")
    assert "of a stranger" in capsys.readouterr().out
    monkeypatch.setattr(command, "refuse_other_inputs", other)
    chat("in_place", person=here / "me.jsonl")
    said = capsys.readouterr()
    assert "of a stranger" not in said.out
    assert "no stranger is drawn for comparison: in_place: trained from other tasks" in said.err


def test_damaged_tasks_are_refused(here):
    tests = artifacts.tasks_file("test")
    tests.write_bytes(tests.read_bytes().replace(b"i ", b"I ", 1))
    with pytest.raises(DataError, match=r"data/tasks/test\.jsonl: changed or damaged"):
        chat("in_place", person=here / "me.jsonl")


def test_a_conversation_that_will_not_fit_is_refused(here, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda _: 1 << 10)
    with pytest.raises(TrainingError, match=r"adapting to the person needs about .* shorter conv"):
        chat("in_place", person=here / "me.jsonl")
