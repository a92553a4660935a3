"""One writer at a time, a scratch of its own, everything on the disk before the name is given."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import atomic, locks
from pipeline.atomic import atomic_path, one_at_a_time, only_run
from pipeline.errors import BusyError, DivergedError
from tests.wiring.closure import ROOT


HOLDER = """
import sys, time
from pathlib import Path
from pipeline.atomic import {kind}
with {kind}(Path("data/raw")) as partial:
    {body}
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def holder(kind: str, body: str = "pass") -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER.format(kind=kind, body=body)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen, number: int) -> None:
    process.send_signal(number)
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize(("kind", "take"), [("atomic_path", atomic_path), ("only_run", only_run)])
def test_a_second_writer_is_refused_until_the_first_has_died(kind, take):
    process = holder(kind)
    for way in (Path("data/raw"), Path("data/../data/raw"), Path("data/raw").absolute()):
        with pytest.raises(BusyError, match=r"another run is writing .*raw"), take(way):
            pass
    end(process, signal.SIGKILL)
    with take(Path("data/raw")) as partial:
        if partial is not None:
            partial.touch()


def test_what_a_killed_writer_left_is_removed_and_nothing_of_others(folder):
    end(holder("atomic_path", "partial.mkdir(); (partial / 'half').touch()"), signal.SIGKILL)
    (left,) = (folder / "data").iterdir()
    others = [".raw.txt.0123abcd.partial", ".raw.notes", "raw.0123abcd.partial", ".raw.partial"]
    for name in others:
        (folder / "data" / name).touch()
    with atomic_path(Path("data/raw")) as partial:
        assert not left.exists()
        partial.mkdir()
    assert sorted(p.name for p in (folder / "data").iterdir()) == sorted(["raw", *others])


def test_two_scratches_of_one_target_differ():
    assert len({atomic._scratch(Path("a/b")) for _ in range(50)}) == 50


def test_locks_leave_no_file_behind(folder):
    with only_run(Path("x")), atomic_path(Path("x")) as partial:
        partial.touch()
        assert len(list((folder / locks.LOCKS).iterdir())) == 2
    assert list((folder / locks.LOCKS).iterdir()) == []


def test_a_lock_whose_file_was_removed_under_it_is_not_taken_for_held(folder):
    """The file that is locked must be the one that others will open."""
    with only_run(Path("x")):
        (path,) = (folder / locks.LOCKS).iterdir()
        path.unlink()
        with only_run(Path("x")):
            assert path.is_file()


def test_within_a_scratch_no_folder_is_made_again():
    with pytest.raises(FileNotFoundError), atomic_path(Path("raw")) as partial:  # noqa: PT012
        partial.mkdir()
        partial.rmdir()  # as another program might
        with atomic_path(partial / "source.json") as inner:
            inner.touch()
    assert not Path("raw").exists()


def test_a_command_runs_alone_for_its_out():
    @one_at_a_time(lambda name, seed: Path(f"{name}-{seed}"))
    def command(name: str, seed: int = 3) -> None:
        with pytest.raises(BusyError), only_run(Path(f"{name}-{seed}")):
            pass
        with only_run(Path(f"{name}-{seed + 1}")):
            pass

    command(name="a", seed=2)
    command("a", 4)


@pytest.mark.parametrize("kind", ["file", "folder", "nothing"])
def test_an_old_out_is_not_taken_for_that_of_a_run_that_diverged(tmp_path, kind):
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
        (out / "theta").write_text("of an earlier run")
    elif kind == "file":
        out.write_text("of an earlier run")

    @one_at_a_time(lambda: out)
    def stage() -> None:
        raise DivergedError("step 7: the loss is nan")

    with pytest.raises(DivergedError, match="step 7"):
        stage()
    assert not out.exists()


def test_files_and_folders_are_on_the_disk_before_and_after_the_rename(monkeypatch):
    done: list[object] = []
    sync, rename = os.fsync, Path.rename
    monkeypatch.setattr(
        os, "fsync", lambda fd: done.append(os.path.realpath(f"/proc/self/fd/{fd}")) or sync(fd)
    )
    monkeypatch.setattr(Path, "rename", lambda a, b: done.append("rename") or rename(a, b))
    Path("out").mkdir()
    with atomic_path(Path("out")) as partial:
        partial.mkdir()
        (partial / "file").write_text("x")
    assert [str(part).rpartition("/")[2].partition(".partial")[0][:5] for part in done] == [
        "file",
        ".out.",
        "renam",
        "renam",
        Path.cwd().name[:5],
    ]


def test_an_old_folder_stays_if_the_new_one_cannot_take_its_place(monkeypatch):
    Path("out").mkdir()
    Path("out/old").touch()
    rename = Path.rename

    def failing(self: Path, to: Path) -> Path:
        if to.name == "out" and (self / "new").exists():
            raise OSError("no")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="no"), atomic_path(Path("out")) as partial:  # noqa: PT012
        partial.mkdir()
        (partial / "new").touch()
    assert [path.name for path in Path("out").iterdir()] == ["old"]
    assert {path.name for path in Path().iterdir()} == {"out", ".locks"}


@pytest.mark.parametrize(("after", "kept"), [(1, "old"), (2, "new")])
def test_a_signal_right_after_a_rename_leaves_one_of_the_two(monkeypatch, after, kept):
    Path("out").mkdir()
    Path("out/old").touch()
    rename = Path.rename
    done = []

    def interrupted(self: Path, to: Path) -> Path:
        path = rename(self, to)
        done.append(to)
        if len(done) == after:
            raise KeyboardInterrupt
        return path

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_path(Path("out")) as partial:  # noqa: PT012
        partial.mkdir()
        (partial / "new").touch()
    assert [path.name for path in Path("out").iterdir()] == [kept]


def test_a_stage_ends_with_the_program_that_started_it(tmp_path):
    """Kill the parent alone, a shell between the two or none: the child gets SIGTERM."""
    child = (
        "import signal, sys, time; from pipeline.processes.parent import end_with_parent; "
        "signal.signal(signal.SIGTERM, lambda *_: (open('ended', 'w').close(), sys.exit())); "
        "end_with_parent(); open('up', 'w').close(); time.sleep(60)"
    )
    parent = "import subprocess, sys; subprocess.Popen({}).wait()"
    for shell in (False, True):
        command = f"'{sys.executable}' -c \"{child}\"; true"
        started = f"{['sh', '-c', command] if shell else [sys.executable, '-c', child]!r}"
        process = subprocess.Popen(
            [sys.executable, "-c", parent.format(started)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        wait_for(tmp_path / "up")
        end_alone(process)
        wait_for(tmp_path / "ended")


def test_a_stage_whose_starter_ended_while_it_was_imported_ends(tmp_path):
    """The number that it noted at its beginning is no longer its parent's."""
    child = (
        "import os, signal, sys, time; from pipeline.processes.parent import end_with_parent; "
        "signal.signal(signal.SIGTERM, lambda *_: (open('ended', 'w').close(), sys.exit())); "
        "end_with_parent(os.getppid() + 1); time.sleep(60)"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", child], env=environ)
    wait_for(tmp_path / "ended")
    assert process.wait(20) == 0


def end_alone(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.05)
    path.unlink()
