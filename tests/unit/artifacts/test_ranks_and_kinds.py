"""Which rank locks and removes an out; a file and a folder never replace each other."""

from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.atomic import atomic_path, one_at_a_time, only_run
from pipeline.errors import BusyError, DataError, DivergedError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_does_not_replace_a_folder_of_the_users(folder):
    """As `python -m stages.samples --out docs` would ask for."""
    (folder / "docs").mkdir()
    (folder / "docs" / "mine").touch()
    with pytest.raises(DataError, match="docs: a folder of that name is there"):
        artifacts.write_text(Path("docs"), "samples")
    assert (folder / "docs" / "mine").is_file()


def test_a_folder_does_not_replace_a_file_of_the_users(folder):
    (folder / "raw").touch()
    with (
        pytest.raises(DataError, match="raw: a file of that name is there"),
        atomic_path(Path("raw")) as partial,
    ):
        partial.mkdir()
    assert (folder / "raw").is_file()


def test_of_several_ranks_the_first_alone_holds_the_lock(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with only_run(Path("x")):
        monkeypatch.setenv("RANK", "1")
        with only_run(Path("x")):
            pass
        monkeypatch.setenv("RANK", "0")
        with pytest.raises(BusyError), only_run(Path("x")):
            pass


@pytest.mark.parametrize("beside", [{}, {"WORLD_SIZE": "2"}, {"TORCHELASTIC_RUN_ID": "x"}])
def test_a_stray_rank_without_torchrun_takes_no_lock_away(monkeypatch, beside):
    for name in ("TORCHELASTIC_RUN_ID", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"RANK": "1"} | beside).items():
        monkeypatch.setenv(name, value)
    with only_run(Path("x")), pytest.raises(BusyError), only_run(Path("x")):
        pass


def test_of_several_ranks_that_diverge_the_first_alone_removes_the_out(monkeypatch):
    """Else one would meet files that another has just removed, and end by another error."""
    place = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "RANK": "1"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    Path("out").touch()

    @one_at_a_time(lambda: Path("out"))
    def stage() -> None:
        raise DivergedError("step 7: the loss is nan")

    for rank, stays in (("1", True), ("0", False)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(DivergedError):
            stage()
        assert Path("out").exists() == stays
