"""What is typed in a talk."""

import io
import sys
from pathlib import Path

from stages.talk.terminal import TerminalTalk
from tests.support.toy_project import toy_params, write_params


def test_a_line_that_is_no_text_is_told_and_the_talk_goes_on(monkeypatch, capsys):
    typed = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n/nothing\n/quit\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", typed)
    TerminalTalk(None).run()
    first, second = capsys.readouterr().err.splitlines()
    assert "no UTF-8 text; type it again" in first
    assert "no command /nothing" in second


def test_a_path_that_cannot_be_is_told_and_the_talk_goes_on(monkeypatch, capsys):
    lines = b"/adapt ~nosuchuser/x\n/adapt a\0b\n/save ~nosuchuser/x\n/save a\0b\n/nothing\n/quit\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines), encoding="utf-8"))
    TerminalTalk(None).run()
    told = capsys.readouterr().err.splitlines()
    home, nul = "no home of that user is known; give the whole path", "no path holds the character"
    for line, command, said in zip(
        told,
        ("/adapt", "/adapt", "/save", "/save", "no command"),
        (home, nul) * 2 + ("",),
        strict=True,
    ):
        assert line.startswith(f"error: {command}")
        assert said in line


def test_links_in_a_circle_are_told_and_the_talk_goes_on(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path, toy_params())
    Path("round").symlink_to("round")
    typed = io.TextIOWrapper(
        io.BytesIO(b"/save round/x\n/adapt round\n/nothing\n"), encoding="utf-8"
    )
    monkeypatch.setattr(sys, "stdin", typed)
    TerminalTalk(None).run()
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith("error: /save: 'round/x': ")
    assert second.startswith("error: round: ")
    assert "no command /nothing" in last
