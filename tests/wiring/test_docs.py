"""What the documents name exists: files, tests, commands, presets, axes."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from pipeline.params import Variant
from tests.wiring.closure import ROOT


DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("studies/*/README.md")]
)
TESTS: dict[str, str] = defaultdict(str)  # three folders may have a file of one name
for _path in (ROOT / "tests").rglob("*.py"):
    TESTS[_path.name] += _path.read_text()


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_files_that_are_named_exist(document):
    named = set(
        re.findall(r"`((?:pipeline|stages|tests|docs|presets)/[\w/.-]+?)`", document.read_text())
    )
    missing = [name for name in named if "NAME" not in name and not (ROOT / name).exists()]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([\w./-]+\.\w+)\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_tests_that_are_named_exist(document):
    named = re.findall(r"(test_\w+\.py)(?:::|`, `)(test_\w+)", document.read_text())
    missing = [
        f"{file}::{name}" for file, name in named if not re.search(rf"def {name}\w*\(", TESTS[file])
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=ids)
def test_commands_that_are_named_exist(document):
    text = document.read_text()
    stages = {name for name in re.findall(r"python -m stages\.(\w+)", text) if name != "NAME"}
    known = {path.stem for path in (ROOT / "stages").rglob("*.py")}  # from any folder of it
    assert stages - known == set()
    presets = set(re.findall(r"stages\.preset (\w+)", text)) - {"NAME"}
    assert [name for name in presets if not (ROOT / f"presets/{name}.yaml").is_file()] == []


def test_the_readme_names_every_axis_of_a_variant():
    readme = (ROOT / "README.md").read_text()
    assert [axis for axis in Variant.model_fields if f"`{axis}`" not in readme] == []
