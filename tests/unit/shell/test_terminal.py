"""What a stranger wrote is shown, not obeyed; and no printing undoes finished work."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.markdown import Markdown
from rich.table import Table

from stages.shell import console
from stages.shell.terminal import Terminal
from tests.wiring.closure import ROOT


HOSTILE = "o [/2024] [bold]x[/bold] [link=http://x]y[/link] :fire: \x1b[31mred\x1b]0;t\x07 \u202e"
SHOWN = r"o [/2024] [bold]x[/bold] [link=http://x]y[/link] :fire: \x1b[31mred\x1b]0;t\x07 \u202e"


def table(text):
    made = Table(title=text)
    made.add_column(text)
    made.add_row(text)
    return made


def test_text_is_shown_as_it_is_and_controls_are_made_visible(capsys):
    console.out.print(HOSTILE, highlight=False)
    assert capsys.readouterr().out == SHOWN + "\n"


def test_so_it_is_in_notes_and_errors(capsys):
    console.note(HOSTILE)
    with pytest.raises(SystemExit):
        console._fail(HOSTILE)
    assert capsys.readouterr().err == f"note: {SHOWN}\nerror: {SHOWN}\n"


@pytest.mark.parametrize("made", [table, Markdown])
def test_nothing_in_a_table_or_in_markdown_reaches_the_terminal_raw(made, capsys):
    console.out.print(made(HOSTILE.replace("[", "(")))
    said = capsys.readouterr().out
    assert r"\x1b" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


def test_an_error_is_cut_to_a_line(capsys):
    with pytest.raises(SystemExit):
        console._fail("x" * 1_000_000)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert len(said) < 3000


STAGE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
from stages.shell import console
from stages.shell.terminal import Terminal

def stage() -> None:
    Path("out").write_text("done")
    console.out.print("φ from o [/2024].json, 7 letters: λ")
    console.note("φ")
    Path("after").write_text("reached")

console.run(stage)
"""


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_letter_that_the_terminal_lacks_undoes_nothing(tmp_path, encoding):
    done = subprocess.run(
        [sys.executable, "-c", STAGE, str(ROOT)],
        cwd=tmp_path,
        env={"PYTHONIOENCODING": encoding, "PATH": ""},
        capture_output=True,
        check=False,
    )
    phi = "φ" if encoding == "utf-8" else r"\u03c6"
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode(encoding).startswith(f"{phi} from o [/2024].json, 7 letters")
    assert done.stderr.decode(encoding) == f"note: {phi}\n"
    assert (tmp_path / "after").is_file()


@pytest.mark.parametrize("command", ["| true", "> /dev/full", ">&-"])
def test_a_terminal_that_is_gone_undoes_nothing(tmp_path, command):
    (tmp_path / "stage.py").write_text(STAGE)
    line = f'"{sys.executable}" stage.py "{ROOT}" {command}; echo ${{PIPESTATUS[0]}} >&2'
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (tmp_path / "after").read_text() == "reached"
    assert done.stderr.splitlines()[-1] == "0", done.stderr
    assert "Traceback" not in done.stderr


ASKED = """
import sys
sys.path.insert(0, sys.argv.pop())
from stages.shell import console

def table():
    console.out.print("a table")
    console.out.require_all_said()

console.run(table)
"""


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("| true", 0, ""),
        (">&-", 0, ""),
        ("> /dev/full", 1, "error: no space left on the disk (while writing); free some"),
        ("> file", 0, ""),
    ],
)
def test_of_what_is_only_printed_nothing_may_be_lost(tmp_path, command, code, said):
    """Half a table in a file looks like a table; a reader such as `head` has read enough."""
    (tmp_path / "stage.py").write_text(ASKED)
    line = f'"{sys.executable}" stage.py "{ROOT}" {command}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (code, said)


def test_a_table_that_a_full_disk_cuts_off_is_a_failure():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stages.table"],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no space left" in done.stderr


@pytest.mark.parametrize("name", ["COLUMNS", "LINES", "TERMINAL_WIDTH"])
@pytest.mark.parametrize("value", ["\u00b2", "9" * 5000, "x"], ids=["square", "digits", "word"])
def test_a_size_that_is_no_number_is_not_the_terminals(tmp_path, name, value):
    """Of the stage and of its help, which typer writes itself."""
    for more in ((), ("--help",)):
        done = subprocess.run(
            [sys.executable, "-c", STAGE, str(ROOT), *more],
            cwd=tmp_path,
            env={name: value, "PATH": "", "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("value", ["100", "1", ""])
def test_any_other_size_is_left_to_the_library(monkeypatch, value):
    monkeypatch.setenv("COLUMNS", value)
    Terminal()
    assert os.environ.get("COLUMNS", "") == value


def test_a_width_of_nothing_is_not_the_terminals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    Terminal()
    assert "COLUMNS" not in os.environ
