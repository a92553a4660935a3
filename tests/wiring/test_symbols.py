"""The map of the paper's symbols in `pipeline/__init__.py` names code that exists."""

import ast
import re

import pytest

import pipeline
from tests.wiring.closure import ROOT


NAMES = sorted(set(re.findall(r"`(pipeline\.[\w.]+)`", pipeline.__doc__ or "")))


def defined(tree: ast.AST) -> dict[str, ast.AST]:
    """The functions and classes of a module or of a class."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name: node for node in ast.iter_child_nodes(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_map_exists(name):
    path, rest = ROOT, name.split(".")
    while rest and (path / rest[0]).is_dir():
        path /= rest.pop(0)
    if not rest:
        assert (path / "__init__.py").is_file()
        return
    tree: ast.AST = ast.parse((path / f"{rest.pop(0)}.py").read_text())
    for part in rest:
        tree = defined(tree)[part]


def test_the_map_names_each_part_of_the_paper():
    parts = ["Eq. 1", "Eq. 2", "Table 1", *(f"Fig. {n}" for n in (1, 2, 3, 4))]
    parts += [f"Appendix {letter}" for letter in "ABC"] + ["Section 4.1", "Section 4.2"]
    assert [part for part in parts if part not in (pipeline.__doc__ or "")] == []
    assert len(NAMES) > 30


def test_files_of_the_paper_document_exist():
    """Its tables name files from `pipeline/` on."""
    text = (ROOT / "docs/paper.md").read_text()
    named = set(re.findall(r"`((?:evaluation|learning|model|persona)/[\w/]*(?:\.py)?)`", text))
    assert len(named) > 30
    assert [name for name in sorted(named) if not (ROOT / "pipeline" / name).exists()] == []
