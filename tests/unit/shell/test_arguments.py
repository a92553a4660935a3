"""Paths and variants on a command line: `~` is seen through, a name nobody knows is refused."""

import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from stages.shell import console
from stages.shell.arguments import VariantName
from tests.support.toy_project import toy_params, write_params


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


@pytest.fixture
def asked(monkeypatch, tmp_path, capsys):
    """Ask a command for a variant in a project; return the names it was given, and what it said."""
    monkeypatch.chdir(tmp_path)

    def ask(word, first):
        given = []

        def as_key(variant: Annotated[str, typer.Argument()]) -> None:
            given.append(variant)

        def as_type(name: VariantName) -> None:
            given.append(name)

        monkeypatch.setattr(sys, "argv", ["stage", word])
        with pytest.raises(SystemExit):
            console.run(as_key if first else as_type)
        return given, capsys.readouterr().err

    return ask


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ["../models/transfer", "transferr", "base", "a.b"])
def test_a_variant_that_nobody_knows_is_refused_with_those_that_are(asked, first, name):
    write_params(Path(), toy_params())
    Path("models/transfer").mkdir(parents=True)
    Path("models/base").mkdir()
    given, said = asked(name, first)
    assert given == []
    assert said.startswith(f"error: params.yaml: variants: no {name!r}; there are: reinit, transf")
    Path("params.yaml").unlink()
    given, said = asked(name, first)
    assert given == ([name] if name == "transferr" else [])


@pytest.mark.parametrize("first", [True, False])
def test_a_variant_of_params_yaml_and_one_with_files_are_taken(asked, first):
    write_params(Path(), toy_params())
    assert asked("transfer", first) == (["transfer"], "")
    Path("models/old").mkdir(parents=True)
    Path("predictions").mkdir()
    Path("predictions/older.jsonl").touch()
    assert asked("old", first) == (["old"], "")
    assert asked("older", first) == (["older"], "")
