"""A folder's record names the files beside it: damage is blamed on the file that has it."""

import time

import pytest

from pipeline import artifacts, outs
from pipeline.errors import DataError, MissingFileError
from stages.talk.person import people_of
from tests.support.sealed import edit_sealed


FOLDERS = {
    artifacts.RAW: ("source.json", r"delete data/raw, then run `python -m stages\.download`"),
    artifacts.TASKS: ("summary.json", r"run `python -m stages\.tasks`"),
    artifacts.BASE: ("base.json", r"run `python -m stages\.base`"),
    artifacts.receiver_dir(2): ("receiver.json", r"run `python -m stages\.p2_receiver 2`"),
    artifacts.model_dir("mine", 1): ("variant.json", r"run `python -m stages\.meta_train mine 1`"),
}


@pytest.fixture(params=FOLDERS, ids=str)
def folder(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = request.param
    for name in ("a.bin", "b/c.txt"):
        artifacts.write_text(place / name, name)
    outs.write_record(place, FOLDERS[place][0], {"method": "meta_train", "params": {}})
    return place


def damaged(folder, match):
    for place in (folder, folder / "a.bin"):
        with pytest.raises(DataError, match=match) as caught:
            outs.refuse_damaged(place)
        assert "\n" not in str(caught.value)


def test_what_the_stage_wrote_is_taken(folder):
    outs.refuse_damaged(folder)
    outs.refuse_damaged(folder / "a.bin")
    assert outs.FILES in artifacts.read_json(folder / FOLDERS[folder][0], made_by="x")


@pytest.mark.parametrize("name", ["a.bin", "b/c.txt"])
def test_a_file_that_was_changed_is_named_with_the_stage_that_writes_it(folder, name):
    (folder / name).write_text("other")
    damaged(folder, rf"^{folder / name}: changed or damaged .*{FOLDERS[folder][1]}")


def test_a_file_that_was_removed(folder):
    (folder / "a.bin").unlink()
    damaged(folder, rf"^{folder / 'a.bin'}: missing, .*{FOLDERS[folder][1]}")


def test_a_file_that_is_not_the_stages_is_to_be_moved(folder):
    (folder / ".DS_Store").write_text("")
    damaged(folder, rf"^{folder / '.DS_Store'}: not written by stage \w+; move it elsewhere$")


def test_an_edited_record_is_refused_and_one_of_an_older_version_is_not_looked_at(folder):
    record = folder / FOLDERS[folder][0]
    edit_sealed(record, lambda content: {k: v for k, v in content.items() if k != outs.FILES})
    outs.refuse_damaged(folder)
    record.write_text(record.read_text().replace("meta_train", "train"))
    if record.name != "variant.json":  # whoever reads it says so, with its stage
        damaged(folder, r": edited or damaged since it was written")
    record.unlink()
    outs.refuse_damaged(folder)


def test_a_path_that_is_no_out_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    artifacts.write_text(artifacts.MODELS / "mine/notes.txt", "x")
    outs.refuse_damaged(artifacts.MODELS / "mine/notes.txt")
    outs.refuse_damaged(artifacts.PREDICTIONS)


def test_a_record_that_is_missing_names_its_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    artifacts.write_text(artifacts.TASKS / "test.jsonl", "")
    with pytest.raises(MissingFileError, match=r"summary.json: not found; .*stages\.tasks`"):
        outs.require_record(artifacts.TASKS)


def test_an_input_replaced_while_it_is_read_is_refused(folder):
    read = outs.Snapshot([folder, artifacts.RAW / "not there"])
    assert read.digests == {folder: artifacts.sha256_of(folder)}
    read.refuse_changed()
    (folder / "a.bin").write_text("other")
    with pytest.raises(DataError, match=rf"^{folder}: replaced while it was read"):
        read.refuse_changed()


def counted(monkeypatch):
    """Count how often a file's content is read."""
    read = []
    original = artifacts.Path.open

    def opens(path, *args, **kwargs):
        read.append(path)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(artifacts.Path, "open", opens)
    return read


def test_a_large_input_is_hashed_once_in_a_process(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "_SETTLED", 0)
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"1" * 10)
    time.sleep(0.05)  # more than a tick of the file system's clock
    read = counted(monkeypatch)
    digests = {artifacts.sha256_of(tmp_path) for _ in range(3)}
    assert (len(digests), len(read)) == (1, 1)
    file.write_bytes(b"2" * 10)
    time.sleep(0.05)
    assert artifacts.sha256_of(tmp_path) not in digests
    (tmp_path / "more").touch()
    assert artifacts.sha256_of(tmp_path) not in digests


def test_a_file_that_was_written_just_now_is_read_each_time(tmp_path, monkeypatch):
    """Within a tick of the file system's clock a second change could not be seen."""
    (tmp_path / "a").write_bytes(b"1")
    read = counted(monkeypatch)
    for _ in range(3):
        artifacts.sha256_of(tmp_path)
    assert len(read) == 3


def test_people_of_tasks_that_were_edited_are_not_talked_to(tmp_path, monkeypatch):
    """`chat` and `export` take a file of data/tasks by any of its paths."""
    monkeypatch.chdir(tmp_path)
    artifacts.write_text(artifacts.tasks_file("test"), "")
    outs.write_record(artifacts.TASKS, artifacts.TASKS_SUMMARY.name, {})
    assert people_of(artifacts.tasks_file("test")) == {}
    artifacts.write_text(artifacts.tasks_file("test"), "\n")
    for path in (artifacts.tasks_file("test"), tmp_path / artifacts.tasks_file("test")):
        with pytest.raises(DataError, match=r"^data/tasks/test.jsonl: changed or damaged since"):
            people_of(path)
