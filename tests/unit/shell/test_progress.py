"""Progress: what a terminal and a log show, and that no out knows of it."""

import io
import re

import pytest

from pipeline.processes.code import code_of, script_of
from pipeline.progress import counted
from stages.download import download
from stages.shell import console
from stages.shell.progress import lines
from stages.shell.progress.lines import LONGEST, Lines, OfStage
from stages.shell.progress.pace import Pace
from stages.shell.progress.shown import progress
from stages.shell.terminal import Terminal
from stages.tasks import tasks
from tests.support.toy_project import toy_params, write_params
from tests.wiring.closure import ROOT


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_a_log_says_done_words_speed_and_time_left():
    clock, said = Clock(), []
    tell = Lines("train in_place 0", 200, "steps", said.append, clock)
    for step in range(1, 31):
        clock.now += 0.5
        tell(step, f"loss {4 - step / 100:.3f}")
    assert said == ["train in_place 0: 20 of 200 steps, loss 3.800, 2.0 steps/s, 0:01:30 left"]


def test_what_a_resumed_run_had_done_is_no_speed():
    clock = Clock()
    pace = Pace(clock)
    assert (pace.speed, pace.left(10)) == (None, "")
    for done in (5000, 5001, 5002):
        pace.report(done)
        clock.now += 4
    assert pace.words("steps") == "4.0 s each"
    assert pace.left(5012) == "0:00:40 left"
    assert pace.left(None) == ""


def test_half_a_day_is_no_thousand_lines():
    clock, said = Clock(), []
    tell = Lines("x", None, "steps", said.append, clock)
    silent = longest = 0.0
    for step in range(12 * 3600):
        clock.now += 1
        before = len(said)
        tell(step, "")
        silent = 0.0 if len(said) > before else silent + 1
        longest = max(longest, silent)
    assert 80 < len(said) < 200
    assert longest <= LONGEST
    assert said[0] == "x: 9 steps, 1.0 steps/s"


def test_a_terminal_has_a_bar_with_the_loss(monkeypatch):
    terminal = Terminal(stderr=True)
    terminal.file, terminal._force_terminal = io.StringIO(), True
    terminal.width = 200
    monkeypatch.setattr(console, "err", terminal)
    with progress("train \x1b[2J 0", 4) as advance:
        for step in counted(range(4), advance, "loss 1.250"):
            assert step < 4
    text = terminal.file.getvalue()
    assert "4/4" in text
    assert "loss 1.250" in text
    assert "\x1b[2J" not in text


def test_another_rank_shows_nothing(monkeypatch, capsys):
    monkeypatch.setattr(lines, "FIRST", 0.0)
    with progress("x", 4, shown=False) as advance:
        advance(1, "")
    assert capsys.readouterr().err == ""
    with progress("x", 4) as advance:
        advance(2, "")
    assert capsys.readouterr().err == "progress: x: 2 of 4 steps\n"


def test_lines_of_a_stage_are_passed_on_once_and_are_no_result(tmp_path):
    output = OfStage(tmp_path / "out")
    assert output.new() == []
    with (tmp_path / "out").open("w") as file:
        file.write("note: a\nprogress: x: 1 of 2\nprogress: x: 2 o")
        file.flush()
        assert output.new() == ["x: 1 of 2"]
        file.write("f 2\nmodels/x: best\n")
    assert output.new() == ["x: 2 of 2"]
    assert output.others() == ["note: a", "models/x: best"]


def test_no_out_knows_of_it(tmp_path, monkeypatch, capsys):
    """The same bytes whether every step or none is told, and no code of a stage's key."""
    found = []
    for name, first in (("quiet", 1e9), ("told", 0.0)):
        folder = tmp_path / name
        folder.mkdir()
        write_params(folder, toy_params())
        monkeypatch.setattr(lines, "FIRST", first)
        monkeypatch.chdir(folder)
        download()
        tasks()
        outs = [path for path in sorted((folder / "data").rglob("*")) if path.is_file()]
        found.append({path.relative_to(folder): path.read_bytes() for path in outs})
    assert found[0] == found[1]
    assert len(found[0]) > 6
    assert "progress: tasks of test: 1 of " in capsys.readouterr().err
    own = code_of(script_of("stages.train"))
    assert not [name for name in own if "progress" in name]


def stages():
    text = (ROOT / "dvc.yaml").read_text()
    return sorted(set(re.findall(r"cmd: python -m (stages\.\w+)", text)))


@pytest.mark.parametrize("module", stages())
def test_every_stage_ends_by_saying_what_it_wrote(module):
    text = script_of(module).read_text()
    assert re.search(r"\b(wrote|training_summary)\(", text)
    assert "progress(" in text
