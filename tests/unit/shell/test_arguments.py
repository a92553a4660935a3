"""A path on a command line: `~` is seen through, as in params.yaml and in a talk."""

import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from stages.shell import console


@pytest.fixture
def called(monkeypatch):
    """Run a command with words of a command line; return what it was given, and its exit code."""
    monkeypatch.setenv("HOME", "/homes/ann")

    def call(*words):
        given = {}

        def command(
            folder: Annotated[Path, typer.Argument()],
            out: Annotated[Path | None, typer.Option()] = None,
            more: Annotated[list[Path] | None, typer.Option()] = None,
            note: str = "~",
        ) -> None:
            given.update(folder=folder, out=out, more=more, note=note)

        monkeypatch.setattr(sys, "argv", ["stage", *words])
        with pytest.raises(SystemExit) as ended:
            console.run(command)
        return given, ended.value.code

    return call


def test_every_path_has_its_home_and_no_other_word(called):
    words = ("~/x", "--out", "~", "--more", "~/a", "--more", "b/~", "--note", "~/x")
    given, code = called(*words)
    assert code in (None, 0)
    assert given["folder"] == Path("/homes/ann/x")
    assert given["out"] == Path("/homes/ann")
    assert given["more"] == [Path("/homes/ann/a"), Path("b/~")]
    assert given["note"] == "~/x"


def test_what_is_not_given_is_none(called):
    given, _ = called("x")
    assert (given["folder"], given["out"], given["more"]) == (Path("x"), None, None)


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["~nosuchuser/x"], "FOLDER"),
        (["x", "--out", "~nosuchuser/x"], "--out"),
        (["x", "--more", "~nosuchuser/x"], "--more"),
    ],
)
def test_a_home_that_is_not_known_is_one_line(called, capsys, words, where):
    given, code = called(*words)
    assert (given, code) == ({}, 1)
    said = "'~nosuchuser/x': no home of that user is known; give the whole path"
    assert capsys.readouterr().err == f"error: {where}: {said}\n"
