"""Stages `download` and `tasks` on a corpus of one's own."""

import json
import sys
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.params import read_yaml
from pipeline.persona.conversation.record import Conversation
from pipeline.persona.corpus.own import survey
from pipeline.persona.task.record import PersonaTask
from stages.download import download
from stages.shell import console
from stages.tasks import tasks
from tests.support.corpora import (
    FORMATS,
    as_messages,
    as_personachat_text,
    messages,
    sides,
    text_lines,
    world,
)
from tests.support.file_server import serve
from tests.support.reading import data
from tests.support.toy_project import write_params
from tests.wiring.closure import ROOT


RAW = {"train.jsonl", "valid.jsonl", "test.jsonl", "source.json"}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages.download"])
    return tmp_path


def set_data(source, **values):
    params = read_yaml(ROOT / "presets/embedded.yaml")
    params["data"] |= {"source": str(source), "pretrain": None, **values}
    write_params(Path(), params)


def conversations(split):
    path = artifacts.raw_conversations(split)
    return artifacts.read_records(path, Conversation, made_by="download")


def tree(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fails_with_one_line(command, capsys):
    with pytest.raises(SystemExit) as caught:
        console.run(command)
    assert caught.value.code == 1
    err = capsys.readouterr().err.splitlines()[-1]
    assert err.startswith("error: ")
    return err


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_becomes_tasks_of_the_right_people(tmp_path, name):
    set_data(FORMATS[name](world(), tmp_path))
    download()
    assert set(tree(artifacts.RAW)) == RAW
    tasks()
    expected = {}
    for person, talk in sides(world()):
        said = [m["content"] for m in messages(talk, person) if m["role"] == "assistant"]
        expected.setdefault(person, []).append(said)
    found = [
        [[turn.reply for turn in dialogue.turns] for dialogue in task.dialogues]
        for split in artifacts.SPLITS
        for task in artifacts.iterate_records(
            artifacts.tasks_file(split), PersonaTask, made_by="tasks"
        )
    ]
    assert all(dialogues in expected.values() for dialogues in found)
    summary = json.loads(artifacts.TASKS_SUMMARY.read_text())
    assert summary["source"]["corpus"]["format"] == name
    assert [summary["splits"][s]["personas"] for s in ("valid", "test")] == [2, 2]
    assert sum(s["personas"] for s in summary["splits"].values()) == len(found) < 16


def test_distractors_are_drawn_from_other_people(tmp_path):
    set_data(as_messages(world(), tmp_path))
    download()
    tasks()
    test = artifacts.read_records(artifacts.tasks_file("test"), PersonaTask, made_by="tasks")
    of = [{turn.reply for d in task.dialogues for turn in d.turns} for task in test]
    for task, own in zip(test, of, strict=True):
        others = set().union(*of) - own
        for turn in (turn for dialogue in task.dialogues for turn in dialogue.turns):
            assert len(turn.candidates) == 20
            assert set(turn.candidates) - {turn.reply} <= others


def test_too_few_replies_for_distractors_are_said_before(tmp_path, capsys):
    few = world(turns=2)
    note = "stage tasks will refuse it: somebody has 6 replies of other people to draw 19 distract"
    path = as_messages(few, tmp_path)
    assert any(note in one for one in survey(str(path), data()).tally.notes)
    set_data(path)
    download()
    assert "19 distractors are needed" in fails_with_one_line(tasks, capsys)
    offered = FORMATS["the hub's JSON of Persona-chat"](few, tmp_path)
    assert not survey(str(offered), data()).tally.notes


def test_candidates_of_the_corpus_are_kept(tmp_path):
    set_data(FORMATS["the hub's JSON of Persona-chat"](world(), tmp_path))
    download()
    tasks()
    (task, *_) = artifacts.read_records(artifacts.tasks_file("test"), PersonaTask, made_by="tasks")
    turn = task.dialogues[0].turns[0]
    assert sorted(turn.candidates) == sorted([*(f"no {n}" for n in range(19)), turn.reply])


def test_the_same_source_gives_the_same_bytes(tmp_path):
    set_data(FORMATS["messenger log"](world(), tmp_path))
    download()
    before = tree(artifacts.RAW)
    download()
    assert tree(artifacts.RAW) == before
    assert str(tmp_path).encode() not in b"".join(before.values())


def test_what_was_read_is_written_beside_it(tmp_path, capsys):
    path = as_messages(world(), tmp_path)
    with path.open("a") as file:
        file.write("{\n")
    set_data(path)
    assert "own.jsonl:49: not JSON" in fails_with_one_line(download, capsys)
    assert not artifacts.RAW.exists()
    set_data(path, skip_broken=True)
    download()
    corpus = json.loads(artifacts.RAW_SOURCE.read_text())["corpus"]
    assert (corpus["kind"], corpus["source"]) == ("own", "own.jsonl")
    assert corpus["sha256"] == artifacts.sha256_of(path)
    assert corpus["left_out"]["broken lines"] == 1
    assert corpus["splits"]["test"]["people"] == 2
    assert {*corpus["files"]} == RAW - {"source.json"}


def test_a_checksum_is_compared(tmp_path, capsys):
    path = as_messages(world(), tmp_path)
    set_data(path, sha256="0" * 64)
    assert "own.jsonl: sha256 is" in fails_with_one_line(download, capsys)
    set_data(path, sha256=artifacts.sha256_of(path))
    download()


def test_a_url_may_hold_conversations(tmp_path):
    path = as_messages(world(), tmp_path)
    with serve(path.read_bytes()) as server:
        set_data(server.url, sha256=artifacts.sha256_of(path))
        download()
    url = tree(artifacts.RAW)
    set_data(path)
    download()
    assert {k: v for k, v in tree(artifacts.RAW).items() if k != "source.json"} == {
        k: v for k, v in url.items() if k != "source.json"
    }


def test_going_back_to_text_leaves_no_conversations(tmp_path):
    set_data(as_messages(world(), tmp_path))
    download()
    set_data("synthetic")
    download()
    assert "train.jsonl" not in tree(artifacts.RAW)
    tasks()


def test_an_edited_file_is_not_replaced(tmp_path, capsys):
    set_data(as_messages(world(), tmp_path))
    download()
    with artifacts.raw_conversations("test").open("a") as file:
        file.write("\n")
    assert "changed since stage download wrote it" in fails_with_one_line(download, capsys)


def test_personachats_three_files_stay_as_they_are(tmp_path):
    folder = tmp_path / "text"
    folder.mkdir()
    for split in artifacts.SPLITS:
        text = "".join(text_lines(person, talk) for person, talk in sides(world()))
        (folder / artifacts.raw_text(split).name).write_text(text)
    set_data(folder)
    download()
    raw = tree(artifacts.RAW)
    assert set(raw) == {*tree(folder), "source.json"}
    assert all(raw[name] == content for name, content in tree(folder).items())


def test_a_pattern_chooses_files(tmp_path):
    as_personachat_text(world(), tmp_path, "both")
    as_personachat_text(world(), tmp_path, "self")
    set_data(f"{tmp_path}/*_both_*.txt")
    download()
    assert json.loads(artifacts.RAW_SOURCE.read_text())["corpus"]["source"] == "*_both_*.txt"
    assert {one.split for one in conversations("train")} == {"train"}


def test_people_without_personas_are_not_a_leak(tmp_path):
    set_data(FORMATS["messenger log"](world(), tmp_path))
    download()
    tasks()
    leaks = json.loads(artifacts.TASKS_SUMMARY.read_text())["leaks"]
    assert set(leaks["personas_in_two_splits"].values()) == {0}
    assert set(leaks["persona_variants_in_two_splits"].values()) == {0}
