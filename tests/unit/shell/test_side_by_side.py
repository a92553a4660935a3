"""Stages side by side: order, room, failures and ends, with commands that are played."""

import threading

import pytest

from pipeline.errors import StageError
from stages import TERMINATED
from stages.shell.console import Terminated
from stages.shell.side_by_side import Room, SideBySide, by_urgency
from stages.shell.stage_process import Command


NEEDS = {
    "base": frozenset(),
    "train@a": frozenset({"base"}),
    "train@b": frozenset({"base"}),
    "finetune@a": frozenset({"train@a"}),
    "finetune@b": frozenset({"train@b"}),
    "report": frozenset({"finetune@a", "finetune@b"}),
}


class Played:
    """A command that ends when it is told to, or at once."""

    def __init__(self, code, waits):
        self.code, self.ended, self.asked = code, threading.Event(), []
        if not waits:
            self.ended.set()

    def wait(self):
        assert self.ended.wait(10)
        return self.code

    def terminate(self):
        self.asked.append("terminate")
        self.code = TERMINATED
        self.ended.set()

    def kill(self):
        self.asked.append("kill")
        self.ended.set()


class Stages:
    """A pipeline and its processes; counts what runs at once."""

    def __init__(self, *, unchanged=(), codes=None, waits=(), interrupt=None):
        self.needs, self.unchanged, self.codes = NEEDS, set(unchanged), codes or {}
        self.waits, self.interrupt = set(waits), interrupt
        self.started, self.finished, self.workers, self.played = [], [], {}, {}
        self.said = []

    def begin(self, name):
        if name in self.unchanged:
            return "unchanged"
        return Command(name, ".", {"DVC_STAGE": name})

    def finish(self, name):
        self.finished.append(name)

    def start(self, command, output):
        name = command.line
        assert command.environ["DVC_STAGE"] == name
        if name == self.interrupt:
            raise KeyboardInterrupt
        output.write_text(f"{name} was here\n")
        self.started.append(name)
        self.workers[name] = int(command.environ["MAMLVIAPP_WORKERS"])
        self.played[name] = Played(self.codes.get(name, 0), name in self.waits)
        return self.played[name]

    def run(self, *, cores=2, jobs=2, alone=lambda _: False):
        SideBySide(self, Room(cores, jobs, alone), self, self.said.append).run()


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_each_stage_runs_once_after_what_it_needs(jobs):
    stages = Stages()
    stages.run(jobs=jobs)
    assert sorted(stages.started) == sorted(NEEDS)
    for name, inputs in NEEDS.items():
        assert all(stages.finished.index(i) < stages.finished.index(name) for i in inputs)


def test_what_has_not_changed_is_not_run():
    stages = Stages(unchanged=["base", "train@a", "finetune@a"])
    stages.run()
    assert sorted(stages.started) == ["finetune@b", "report", "train@b"]
    assert any("train@a: unchanged" in line for line in stages.said)


def test_a_stage_alone_has_all_cores_and_others_their_share():
    stages = Stages()
    stages.run(cores=8, jobs=2)
    assert stages.workers["base"] == stages.workers["report"] == 8
    assert stages.workers["train@a"] == 4


@pytest.mark.parametrize(
    ("ready", "waiting", "workers"),
    [(0, 9, 8), (3, 9, 4), (2, 2, 4), (1, 1, 8), (0, 0, 8)],
    ids=["alone", "many", "as-many-as-jobs", "last-but-one", "last"],
)
def test_the_last_stages_keep_all_cores_at_work(ready, waiting, workers):
    assert Room(8, 2, bool).workers(ready=ready, waiting=waiting) == workers


def test_of_stages_that_use_a_gpu_one_runs_at_a_time():
    room = Room(8, 4, lambda name: not name.startswith("score"))
    assert room.takes("train@a", {})
    assert not room.takes("train@a", {"train@b": None})
    assert room.takes("score@a", {"train@b": None})
    assert room.takes("train@a", {"score@a": None})


def test_a_failure_stops_what_is_behind_and_lets_the_running_end():
    stages = Stages(codes={"train@a": 3}, waits=["train@b"])

    def end_train_b():
        while not any("exit code 3" in line for line in stages.said):
            pass
        stages.played["train@b"].ended.set()

    thread = threading.Thread(target=end_train_b)
    thread.start()
    with pytest.raises(StageError, match=r"failed: train@a;.*3 stages did not start") as error:
        stages.run()
    thread.join()
    assert error.value.exit_code != 0
    assert stages.finished == ["base", "train@b"]
    assert "    train@a was here" in "\n".join(stages.said).splitlines()


@pytest.mark.parametrize("told", [KeyboardInterrupt, Terminated])
def test_an_interruption_ends_all_stages(told, monkeypatch):
    monkeypatch.setattr("stages.shell.side_by_side._PATIENCE", 0.1)
    stages = Stages(waits=["train@a", "train@b"])

    def say(line):
        if "2 at work" in line:
            raise told

    run = SideBySide(stages, Room(2, 2, lambda _: False), stages, say)
    with pytest.raises(told):
        run.run()
    assert [stages.played[f"train@{v}"].asked for v in "ab"] == [["terminate"], ["terminate"]]
    assert stages.finished == ["base"]


def test_a_stage_that_ends_by_ctrl_c_is_not_ended_again():
    stages = Stages(waits=["train@a", "train@b"])

    def say(line):
        if "2 at work" in line:
            for name in ("train@a", "train@b"):
                stages.played[name].ended.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SideBySide(stages, Room(2, 2, lambda _: False), stages, say).run()
    assert stages.played["train@a"].asked == []
    assert sorted(stages.finished) == ["base", "train@a", "train@b"]  # they had ended well


def test_what_ends_a_run_is_told_though_a_stage_cannot_be_recorded(monkeypatch):
    """As where the disk is full, for the stages beside it, too."""
    stages = Stages()

    def full(name):
        raise OSError(28, f"no space for {name}")

    monkeypatch.setattr(stages, "finish", full)
    stages.unchanged = {"base"}
    with pytest.raises(OSError, match="no space for train@"):
        stages.run()


def test_the_longest_way_to_the_end_comes_first():
    needs = NEEDS | {"floors": frozenset({"base"}), "p2_selfplay@c": frozenset({"train@b"})}
    order = by_urgency(needs)
    assert order[0] == "base"
    assert order.index("train@b") < order.index("finetune@a") < order.index("floors")
