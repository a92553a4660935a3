"""The stage as the user runs it: its outs, its exit code, its one line of error."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import artifacts
from pipeline.params import People, Synthetic
from pipeline.persona.corpus.archive import extract
from pipeline.persona.synthetic.corpus import write_corpus
from pipeline.persona.task.record import PersonaTask
from stages.shell import console
from stages.tasks import tasks
from tests.wiring.closure import ROOT


OUTS = {"train.jsonl", "valid.jsonl", "test.jsonl", "summary.json"}
PART = "personachat_partial.tgz"
SOURCE = {"corpus": {"kind": "synthetic", "source": "synthetic", "sha256": None}}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["stages.tasks"])
    set_tasks()
    return tmp_path


def set_tasks(**values) -> None:
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load((ROOT / "presets/embedded.yaml").read_text(encoding="utf-8"))
    params["tasks"].update(values)
    with Path("params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def write_raw(source=SOURCE) -> None:
    people = People(train=4, valid=3, test=3)
    corpus = write_corpus(Synthetic(seed=0, people=people, dialogues=3, pretrain_lines=1))
    for split, text in corpus.texts.items():
        artifacts.write_text(artifacts.raw_text(split), text)
    artifacts.write_json(artifacts.RAW_SOURCE, source)


def tree(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fails_with_one_line(capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        console.run(tasks)
    assert caught.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_the_outs_and_where_they_came_from(capsys):
    write_raw()
    tasks()
    assert "4 train, 3 valid, 3 test" in capsys.readouterr().out
    assert set(tree(artifacts.TASKS)) == OUTS
    summary = json.loads(artifacts.TASKS_SUMMARY.read_text())
    assert summary["source"] == SOURCE
    assert summary["counts_checked"] is False
    for split, people in (("train", 4), ("valid", 3), ("test", 3)):
        path = artifacts.tasks_file(split)
        records = artifacts.read_records(path, PersonaTask, made_by="tasks")
        assert len(records) == people == summary["splits"][split]["personas"]


def test_the_same_raw_data_give_the_same_bytes():
    write_raw()
    tasks()
    before = tree(artifacts.TASKS)
    tasks()
    assert tree(artifacts.TASKS) == before


def test_a_fault_leaves_the_earlier_tasks_as_they_were(capsys):
    write_raw()
    tasks()
    before = tree(artifacts.TASKS)
    with artifacts.raw_text("test").open("a") as file:
        file.write("no number\n")
    assert "test_self_original.txt:" in fails_with_one_line(capsys)
    assert tree(artifacts.TASKS) == before
    assert {path.name for path in Path("data").iterdir()} == {"raw", "tasks"}


def test_nothing_is_left_when_writing_is_cut_off(monkeypatch):
    write_raw()
    written = []

    def stop_at_the_second(path, records):
        written.append(path)
        if len(written) == 2:
            raise KeyboardInterrupt
        return artifacts_write_records(path, records)

    artifacts_write_records = artifacts.write_records
    monkeypatch.setattr(artifacts, "write_records", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        tasks()
    assert {path.name for path in Path("data").iterdir()} == {"raw"}


def test_a_known_archive_with_a_dialogue_missing_is_refused(capsys):
    from pipeline.persona.tasks.known_counts import KNOWN

    sha256 = min(KNOWN)
    write_raw({"corpus": {**SOURCE["corpus"], "sha256": sha256}})
    wanted = KNOWN[sha256]["train"].dialogues
    assert f"this archive has {wanted}" in fails_with_one_line(capsys)
    assert not artifacts.TASKS.exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda: shutil.rmtree("data"), "stages.download", id="no-raw"),
        pytest.param(lambda: artifacts.raw_text("valid").unlink(), "valid_self", id="no-valid"),
        pytest.param(lambda: artifacts.raw_text("test").write_text(""), "empty", id="empty-split"),
        pytest.param(lambda: artifacts.RAW_SOURCE.write_text("{"), "not JSON", id="bad-source"),
        pytest.param(lambda: set_tasks(seed=-1), "tasks.seed", id="negative-seed"),
        pytest.param(lambda: set_tasks(persona_rule="x"), "tasks.persona_rule", id="gone-key"),
        pytest.param(lambda: set_tasks(max_people=1), "tasks.max_people", id="unknown-key"),
    ],
)
def test_bad_input_is_one_line(capsys, damage, message):
    write_raw()
    damage()
    assert message in fails_with_one_line(capsys)
    assert not artifacts.TASKS.exists()


def write_listed_raw() -> None:
    """As stage download does: with the digest of each text in source.json."""
    write_raw()
    files = [artifacts.raw_text(split) for split in artifacts.SPLITS]
    digests = {path.name: artifacts.sha256_of(path) for path in files}
    artifacts.write_json(artifacts.RAW_SOURCE, {"corpus": {"sha256": None, "files": digests}})


def test_texts_as_download_wrote_them_are_taken():
    write_listed_raw()
    tasks()


@pytest.mark.parametrize(
    "damage",
    [
        lambda: artifacts.raw_text("test").write_text(artifacts.raw_text("test").read_text() + " "),
        lambda: artifacts.raw_text("valid").unlink(),
        lambda: artifacts.raw_conversations("train").write_text(""),
    ],
    ids=["edited", "gone", "another beside them"],
)
def test_texts_that_changed_after_download_are_refused(capsys, damage):
    """The summary would say that the tasks come from what `source.json` names."""
    write_listed_raw()
    damage()
    line = fails_with_one_line(capsys)
    assert "not as stage download wrote it" in line
    assert "run `python -m stages.download` (or `dvc repro`)" in line
    assert not artifacts.TASKS.exists()


@pytest.mark.real_data
def test_the_real_part_of_personachat(real_data, capsys):
    """Counts and leaks of the real data; fixtures of ParlAI's own data tests."""
    artifacts.RAW.mkdir(parents=True)
    extract(real_data / "personachat" / PART, artifacts.RAW)
    sha256 = artifacts.sha256_of(real_data / "personachat" / PART)
    artifacts.write_json(artifacts.RAW_SOURCE, {"corpus": {"sha256": sha256}})
    tasks()
    summary = json.loads(artifacts.TASKS_SUMMARY.read_text())
    assert summary["counts_checked"] is True
    names = ("dialogues", "replies", "persona_variants", "personas")
    assert {s: [v[n] for n in names] for s, v in summary["splits"].items()} == {
        "train": [4144, 29462, 2619, 948],
        "valid": [504, 3920, 208, 50],
        "test": [496, 3881, 206, 50],
    }
    train = summary["splits"]["train"]
    assert train["personas_with_two_dialogues_or_more"] == 902
    assert train["dialogues_per_persona"] == {"min": 1, "median": 4, "max": 10}
    assert set(summary["leaks"]["personas_in_two_splits"].values()) == {0}
    assert summary["leaks"]["test"]["share_of_replies_in_support"] < 0.01
    records = artifacts.read_records(artifacts.tasks_file("test"), PersonaTask, made_by="tasks")
    turns = [turn for task in records for d in task.dialogues for turn in d.turns]
    assert {len(turn.candidates or ()) for turn in turns} == {20}
    assert {turn.gold for turn in turns} == set(range(20))
    assert turns[0].reply == "i am good , i just got off work and tired , i have two jobs ."
    records = artifacts.read_records(artifacts.tasks_file("train"), PersonaTask, made_by="tasks")
    first = records[0].dialogues[0].turns[0].reply
    assert first == "you must be very fast . hunting is one of my favorite hobbies ."


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_split_in_which_nothing_can_be_held_out_is_refused(capsys, split):
    """Before any training: `score` would find no record."""
    write_raw()
    one_each = "".join(
        f"1 your persona: i am {name} .\n2 hi\thello {name}\t\t"
        + "|".join([*(f"no {i}" for i in range(19)), f"hello {name}\n"])
        for name in ("ann", "bob", "cem")
    )
    artifacts.write_text(artifacts.raw_text(split), one_each)
    assert f"{split}: none of its 3 personas has two dialogues" in fails_with_one_line(capsys)
    assert not artifacts.TASKS.exists()


def replies(task: PersonaTask) -> list[str]:
    return [turn.reply for one in task.dialogues for turn in one.turns]


def test_held_out_people_stand_in_the_place_of_test(capsys):
    write_raw()
    tasks()
    before = artifacts.read_records(artifacts.tasks_file("train"), PersonaTask, made_by="tasks")
    set_tasks(held_out={"people": 1, "dialogues": 3, "seed": 0})
    tasks()
    assert "3 train, 3 valid, 1 test" in capsys.readouterr().out
    (fresh,) = artifacts.read_records(artifacts.tasks_file("test"), PersonaTask, made_by="tasks")
    rest = artifacts.read_records(artifacts.tasks_file("train"), PersonaTask, made_by="tasks")
    assert sorted(map(replies, [fresh, *rest])) == sorted(map(replies, before))
    assert fresh.split == "test"
    assert artifacts.read_json(artifacts.TASKS_SUMMARY, made_by="tasks")["held_out"] == {
        "other_sides": 0
    }


def test_too_many_held_out_people_are_refused(capsys):
    write_raw()
    set_tasks(held_out={"people": 4, "dialogues": 3, "seed": 0})
    assert "tasks.held_out.people" in fails_with_one_line(capsys)


def test_a_support_that_holds_what_is_asked_is_named(monkeypatch, capsys):
    write_raw()
    monkeypatch.setattr("pipeline.persona.tasks.summary.MUCH", -1.0)
    tasks()
    assert capsys.readouterr().err.count("0% of the replies stand word for word in other") == 2
