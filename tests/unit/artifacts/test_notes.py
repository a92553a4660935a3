"""Notes of stages that have ended, damaged or written by somebody else."""

import json
from pathlib import Path

import pytest

from pipeline import recording
from tests.support import dvc_records


FOLDER = Path(".checkpoints")
OUT = Path("models/x/seed-0")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    FOLDER.mkdir()


def test_a_note_removes_nothing_of_another_folder():
    Path("mine").touch()
    OUT.mkdir(parents=True)
    (OUT / "theta").touch()
    dvc_records.record("train@x-0", OUT)
    note = FOLDER / "x.ended"
    outs = {str(OUT): dvc_records.digest(OUT)}
    names = ["../mine", "/etc/hostname", ""]
    content = {"stage": "train@x-0", "folder": str(Path.cwd()), "outs": outs, "files": names}
    note.write_text(json.dumps(content))
    recording.clear_recorded()
    assert Path("mine").exists()
    assert not note.exists()


def test_notes_that_are_damaged_or_none_are_passed_over():
    whole = {"stage": "train@x-0", "folder": "/gone", "outs": {"x": "aa"}, "files": ["y"]}
    damaged = ["{", "[]", "null", "{}", '{"folder": 1}', "[" * 200_000, " " * (5 << 20)]
    wrong = ({"outs": ["x"]}, {"outs": None}, {"outs": {}}, {"files": []}, {"folder": "\0"})
    damaged += [json.dumps(whole | one) for one in wrong]
    for number, text in enumerate(damaged):
        (FOLDER / f"{number}.ended").write_text(text)
    (FOLDER / "folder.ended").mkdir()
    (FOLDER / "link.ended").symlink_to("link.ended")
    recording.clear_recorded()
    recording.clear_recorded()
    assert len([*FOLDER.iterdir()]) == len(damaged) + 2
