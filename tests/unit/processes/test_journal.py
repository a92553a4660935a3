"""The journal of finished jobs: what can be read is kept, whatever stands around it."""

import pytest

from pipeline.evaluation.records.prediction import Prediction
from pipeline.processes.journal import Journal
from tests.support.prediction_builder import a_prediction


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def written(count=3):
    journal = Journal(Prediction, "a", {})
    for number in range(count):
        journal.append(f"job {number}", [a_prediction(turn=number)])
    return journal


def test_a_journal_belongs_to_its_inputs():
    assert (
        Journal(Prediction, "a", {"params": "1"}).path
        != Journal(Prediction, "a", {"params": "2"}).path
    )


DAMAGE = (b'{"job": "job 1"}', b'{"job": "job 1", "rec', b"\xff\x00", b"[]", b'{"job": []}')


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_lines_alone_are_left_out_and_counted(damage):
    journal = written()
    lines = journal.path.read_bytes().splitlines()
    there = b"\n".join([lines[0], damage, lines[2], damage]) + b"\n"
    journal.path.write_bytes(there)
    assert journal.load() == {f"job {n}": [a_prediction(turn=n)] for n in (0, 2)}
    assert journal.complaint.endswith(
        ".jsonl: 2 damaged lines were left out; what stood there is computed again"
    )
    assert journal.path.read_bytes() == there
    journal.append("job 1", [a_prediction(turn=1)])
    assert journal.load().keys() == {"job 0", "job 1", "job 2"}


def test_a_cut_off_end_is_cut_away_and_no_damage():
    journal = written(2)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[:40])
    inode = journal.path.stat().st_ino
    assert journal.load().keys() == {"job 0", "job 1"}
    assert journal.complaint == ""
    assert journal.path.read_bytes() == whole
    assert journal.path.stat().st_ino == inode


def test_the_file_is_never_without_the_whole_lines(monkeypatch):
    """Writing it again in place would lose everything if the disk is full or the process killed."""
    journal = written(2)
    with journal.path.open("ab") as file:
        file.write(b'{"job"')

    def refused(*_, **__):
        raise AssertionError("a journal is written by appending alone")

    monkeypatch.setattr(type(journal.path), "write_bytes", refused)
    monkeypatch.setattr(type(journal.path), "write_text", refused)
    assert journal.load().keys() == {"job 0", "job 1"}


@pytest.mark.parametrize(("was", "now"), [("3.0", "2.0"), ("job 1", "job 7"), ("dogs", "cats")])
def test_a_line_that_was_edited_is_left_out(was, now):
    journal = written()
    lines = journal.path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace(was, now)
    journal.path.write_text("".join(lines))
    assert journal.load() == {f"job {n}": [a_prediction(turn=n)] for n in (0, 2)}
    assert "1 damaged line was left out" in journal.complaint
