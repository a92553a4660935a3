"""What is typed in a talk."""

import io
import sys

from stages.talk.terminal import TerminalTalk


def test_a_line_that_is_no_text_is_told_and_the_talk_goes_on(monkeypatch, capsys):
    typed = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n/nothing\n/quit\n"), encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", typed)
    TerminalTalk(None).run()
    first, second = capsys.readouterr().err.splitlines()
    assert "no UTF-8 text; type it again" in first
    assert "no command /nothing" in second
