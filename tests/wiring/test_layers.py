"""Who may import whom: import-linter's contracts hold, and would notice if they did not."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
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
        ("pipeline/persona/task/text.py", "import pipeline.model", "Layers"),
        ("pipeline/errors.py", "import pipeline.artifacts", "Layers"),
        ("pipeline/model/__init__.py", "import rich", "The library has no shell"),
        ("pipeline/persona/task/text.py", "import torch", "Data and scoring run without torch"),
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


HEAVY = ("torch", "transformers")


def stands_at_its_path(name: str) -> bool:
    """Leave out aliases: an imported `stages` finds stages.commands.table as `stages.table`."""
    path = ROOT / name.replace(".", "/")
    ours = name.split(".")[0] in ("pipeline", "stages")
    return ours and (path.with_suffix(".py").is_file() or path.is_dir())


def without_torch(graph: grimp.ImportGraph) -> set[str]:
    """The modules that bring in no HEAVY package; a package only if nothing beneath it does."""
    own = {name for name in graph.modules if stands_at_its_path(name)}
    heavy = {name for package in HEAVY for name in graph.find_downstream_modules(package)}
    return {
        name
        for name in own - heavy
        if not any(other.startswith(f"{name}.") for other in own & heavy)
    }


def test_no_module_without_torch_is_missing_in_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = (
        c for c in contracts["contracts"] if c["name"] == "Data and scoring run without torch"
    )
    listed = contract["source_modules"]
    assert contract["forbidden_modules"] == [*HEAVY]
    graph = grimp.build_graph("pipeline", "stages", include_external_packages=True, cache_dir=None)
    missing = [
        name
        for name in sorted(without_torch(graph))
        if not any(name == place or name.startswith(f"{place}.") for place in listed)
    ]
    assert missing == []
