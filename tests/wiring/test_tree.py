"""The tree stays easy to see: small folders, small files, every package says what it holds."""

import ast
from collections import Counter
from pathlib import Path

from tests.wiring.closure import ROOT


MOST_FILES = 12  # Python files in a folder of code
MOST_LINES = 250  # in a Python file


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def test_no_folder_of_code_holds_more_than_twelve_files():
    counts = Counter(path.parent for path in python_files("pipeline", "stages"))
    assert names([folder for folder, count in counts.items() if count > MOST_FILES]) == []


def test_no_file_has_more_than_250_lines():
    files = python_files("pipeline", "stages", "benchmarks", "tests")
    assert files
    assert names([p for p in files if len(p.read_bytes().splitlines()) > MOST_LINES]) == []


def test_every_package_says_what_it_holds():
    packages = [path for path in python_files("pipeline", "stages") if path.name == "__init__.py"]
    assert names([p for p in packages if not ast.get_docstring(ast.parse(p.read_text()))]) == []


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in python_files("pipeline", "stages", "tests")}
    assert names([f for f in sorted(folders) if not (f / "__init__.py").is_file()]) == []
