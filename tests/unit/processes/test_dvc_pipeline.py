"""What is left of DVC's files where a write is cut off: by a signal, a kill, a full disk."""

import io
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from dvc.exceptions import DvcException
from dvc.stage import PipelineStage

from pipeline import artifacts, recording
from pipeline.errors import PipelineError, StageError
from stages.shell.dvc_pipeline import dvc_pipeline


PIPELINE = """
stages:
  first:
    cmd: echo 1 > first.txt
    deps: [in]
    outs: [{first}]
  second:
    cmd: echo 2 > second.txt
    deps: [in]
    outs: [{second}]
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A pipeline of two stages, in the working directory."""
    from dvc.repo import Repo

    for name in [name for name in os.environ if name.startswith(("DVC_", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Repo.init(no_scm=True).close()
    Path("in").touch()
    write_pipeline()


@pytest.fixture(autouse=True)
def hears_ctrl_c():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def write_pipeline(first="first.txt", second="second.txt"):
    Path("dvc.yaml").write_text(PIPELINE.format(first=first, second=second))


def run(pipeline, name):
    command = pipeline.begin(name)
    subprocess.run(command.line, shell=True, check=True)
    pipeline.finish(name)


def run_second(meanwhile):
    with dvc_pipeline() as pipeline:
        run(pipeline, "second")
        meanwhile()


def lock():
    return Path("dvc.lock").read_text() if Path("dvc.lock").exists() else ""


@pytest.fixture
def cut_off(monkeypatch):
    """Let DVC's writing of YAML be met by something when half is written."""
    from dvc.utils.serialize import _yaml

    write = _yaml._dump

    def meet(what):
        def dump(data, stream):
            text = io.StringIO()
            write(data, text)
            whole = text.getvalue()
            stream.write(whole[: len(whole) // 2])
            stream.flush()
            what()
            stream.write(whole[len(whole) // 2 :])

        monkeypatch.setattr(_yaml, "_dump", dump)

    return meet


def test_ctrl_c_within_the_writing_of_the_lock_is_heard_after_it(cut_off):
    with dvc_pipeline() as pipeline:
        run(pipeline, "first")
    with pytest.raises(KeyboardInterrupt):
        run_second(meanwhile=lambda: cut_off(lambda: signal.raise_signal(signal.SIGINT)))
    assert "  first:\n" in lock()
    assert "  second:\n" in lock()
    with dvc_pipeline() as pipeline:
        assert [pipeline.begin(name) for name in ("first", "second")] == ["unchanged"] * 2


def full_disk():
    raise OSError(28, "No space left on device")


def test_a_lock_that_cannot_be_written_stays_as_it_was(cut_off):
    with dvc_pipeline() as pipeline:
        run(pipeline, "first")
    before = lock()
    with pytest.raises(OSError, match="No space left"):
        run_second(meanwhile=lambda: cut_off(full_disk))
    assert lock() == before
    assert not list(Path.cwd().glob(".*.partial"))


@pytest.mark.parametrize("method", ["begin", "finish"])
def test_ctrl_c_within_the_writing_of_the_files_in_use_is_heard_after_it(monkeypatch, method):
    from dvc import rwlock

    dump = json.dump

    def interrupted(data, file):
        signal.raise_signal(signal.SIGINT)
        dump(data, file)

    with dvc_pipeline() as pipeline:
        if method == "finish":
            assert pipeline.begin("first")
            Path("first.txt").touch()
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(rwlock.json, "dump", interrupted)
            with pytest.raises(KeyboardInterrupt):
                getattr(pipeline, method)("first")
    assert "write" not in json.loads(Path(".dvc/tmp/rwlock").read_text())


def test_a_stage_whose_outs_persist_is_recorded_when_it_ends():
    """The run cache does not have it, so a killed run would have to compute it again."""
    write_pipeline(first="first.txt: {persist: true}")
    with dvc_pipeline() as pipeline:
        run(pipeline, "second")
        assert not lock()
        run(pipeline, "first")
        recorded = lock()
        assert "  first:\n" in recorded
        assert "  second:\n" in recorded
    assert lock() == recorded


def test_the_lock_is_the_same_however_often_it_was_written():
    with dvc_pipeline() as pipeline:
        order = list(pipeline.needs)
        for name in order:
            run(pipeline, name)
    once = lock()
    Path("dvc.lock").unlink()
    write_pipeline(*[f"{name}.txt: {{persist: true}}" for name in ("first", "second")])
    with dvc_pipeline() as pipeline:
        for name in reversed(order):
            run(pipeline, name)
    assert lock() == once


@pytest.mark.parametrize(
    ("path", "text", "advice"),
    [
        ("dvc.lock", "", "put back the committed one (git checkout dvc.lock;"),
        ("dvc.lock", "stages: [", "in a merge git checkout --ours dvc.lock, or --theirs)"),
        (".dvc/tmp/rwlock", "", "delete that file if no command of DVC is at work"),
        (".dvc/tmp/rwlock", "[]", "delete that file if no command of DVC is at work"),
    ],
)
def test_a_file_of_dvcs_that_cannot_be_read_is_named_with_what_to_do(path, text, advice):
    with dvc_pipeline() as pipeline:
        run(pipeline, "first")
    Path(path).write_text(text)
    Path("in").write_text("changed")
    with pytest.raises(StageError) as told, dvc_pipeline() as pipeline:
        pipeline.begin("first")
    assert str(told.value).startswith("DVC: ")
    assert path in str(told.value)
    assert advice in str(told.value)


def test_what_a_stage_has_learned_stays_until_dvc_has_its_out(monkeypatch):
    """The disk is full where the cache lies: the stage is started again, its out removed."""
    learned = [Path(".checkpoints") / name for name in ("before", "full")]
    for path in learned:
        artifacts.write_text(path, "hours of work")

    def end(pipeline, path):
        command = pipeline.begin("first")
        assert command.environ[recording.BY_STARTER]
        Path("first.txt").touch()
        with monkeypatch.context() as stage:
            stage.setenv(recording.STAGE, "first")
            recording.spare([path], [Path("first.txt")])
        pipeline.finish("first")

    with monkeypatch.context() as full:
        full.setattr(PipelineStage, "commit", no_room)
        for path in learned:
            with pytest.raises(StageError, match="DVC: no room"), dvc_pipeline() as pipeline:
                end(pipeline, path)
    assert all(path.is_file() for path in learned)
    with dvc_pipeline() as pipeline:
        end(pipeline, learned[1])
    assert [path.is_file() for path in learned] == [True, False]  # of other parameters


def test_a_cache_that_did_not_take_all_of_an_out_is_said(monkeypatch):
    """DVC itself writes its lock then, and ends well."""
    learned = Path(".checkpoints/x")
    artifacts.write_text(learned, "hours of work")
    with monkeypatch.context() as full:
        full.setattr(PipelineStage, "commit", lambda *_, **__: None)
        full.setenv(recording.STAGE, "first")
        with dvc_pipeline() as pipeline:
            pipeline.begin("first")
            Path("first.txt").touch()
            recording.spare([learned], [Path("first.txt")])
            with pytest.raises(PipelineError, match="first: DVC's cache has not taken all of it"):
                pipeline.finish("first")
    assert learned.is_file()
    with dvc_pipeline() as pipeline:
        assert not isinstance(pipeline.begin("first"), str)


def no_room(*_, **__):
    raise DvcException("no room")


def test_outs_out_of_the_project_are_refused_before_any_stage(tmp_path):
    (tmp_path.parent / "disk").mkdir()
    Path("models").symlink_to(tmp_path.parent / "disk")
    write_pipeline(first="models/first.txt")
    with pytest.raises(PipelineError, match=r"models: leads to .*/disk, out of the project"):
        dvc_pipeline().__enter__()
    Path("models").unlink()
    Path("first.txt").symlink_to(tmp_path.parent / "disk/first.txt")  # as DVC's own links
    write_pipeline()
    with dvc_pipeline() as pipeline:
        assert pipeline.begin("second")
