"""Ctrl-C and SIGTERM at the worst moments: within typer, while Python ends, in a deletion."""

import signal
import subprocess
import sys

import pytest

from tests.wiring.closure import ROOT


AROUND = """
import os, signal, sys
sys.argv = ["-m"]
import stages
sys.argv = ["stage"]
from stages.shell import console
import typer
whole = typer.Typer.__call__
def call(self, **options):
    if {before}:
        os.kill(os.getpid(), signal.{name})
    whole(self, **options)
    if {after}:
        os.kill(os.getpid(), signal.{name})
        return 77
typer.Typer.__call__ = call
def command() -> None:
    if {fails}:
        raise OSError(5, "spoilt", "x")
late = type("Late", (), {{"__del__": lambda self, f=os.kill, x=os.getpid(): f(x, {number})}})()
console.run(command)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("when", ["before", "after", "fails", "while Python ends"])
def test_a_signal_within_typer_is_neither_silent_nor_a_failure_of_finished_work(when, name):
    """Typer's own answer to Ctrl-C is code 130 without a word."""
    at = {one: when == one for one in ("before", "after", "fails")}
    program = AROUND.format(name=name, number=int(signal.Signals[name]), **at)
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    early = {"SIGINT": (1, "interrupted"), "SIGTERM": (143, "terminated")}[name]
    code, said = {"before": early, "fails": (1, "x: spoilt")}.get(when, (0, ""))
    assert ended.returncode == code
    assert ended.stderr.startswith(f"error: {said}") if said else not ended.stderr


WHILE_DELETED = """
import os, signal, sys, time
sys.argv = ["stage"]
from stages.shell import console
class Deleted:
    def __del__(self):
        os.kill(os.getpid(), signal.{name})
        time.sleep(0.01)
def command() -> None:
    Deleted()
    time.sleep(20)
console.run(command)
"""


@pytest.mark.parametrize(
    ("name", "code", "said"), [("SIGINT", 1, "interrupted"), ("SIGTERM", 143, "terminated")]
)
def test_a_signal_while_an_object_is_deleted_is_not_lost(name, code, said):
    """Python prints what is raised there, and goes on."""
    program = WHILE_DELETED.format(name=name)
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code
    assert ended.stderr.startswith(f"error: {said}; ")
    assert ended.stderr.count("\n") == 1
