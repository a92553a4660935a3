"""Who may import whom: import-linter's contracts hold, and would notice if they did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wiring.closure import ROOT


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        text=True,
        capture_output=True,
        check=False,
    )


def test_the_contracts_hold():
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("pipeline/persona/text.py", "import pipeline.model", "Layers"),
        ("pipeline/errors.py", "import pipeline.artifacts", "Layers"),
        ("pipeline/model/__init__.py", "import rich", "The library has no shell"),
        ("pipeline/persona/text.py", "import torch", "Data and scoring run without torch"),
        ("stages/shell/console.py", "import transformers", "Data and scoring run without torch"),
    ],
)
def test_a_broken_rule_is_noticed(tmp_path, module, line, contract):
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert f"{contract} BROKEN" in done.stdout
