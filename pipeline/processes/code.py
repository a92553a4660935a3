"""Which files of this project a program runs, read from the import statements alone.

`dvc.yaml` is tested against it, and the name of a checkpoint or journal is made from it.
"""

import ast
import sys
from collections.abc import Collection, Iterator
from pathlib import Path


PROJECT = Path(__file__).parents[2]

# Code that cannot change a number: messages, the schema of values that DVC tracks through
# `params:`, how files get their names, how work is spread and resumed, what is shown.
UNTRACKED = (
    "pipeline/atomic.py",
    "pipeline/dvc_files.py",
    "pipeline/errors.py",
    "pipeline/locks.py",
    "pipeline/recording.py",
    "pipeline/outs.py",
    "pipeline/params",
    "pipeline/processes",
    "pipeline/progress.py",
    "pipeline/strict_json.py",
    "stages/__init__.py",
    "stages/shell",
)

_FOLDERS = ("pipeline", "stages")


def code_in_use(project: Path = PROJECT) -> list[str]:
    """Return the files that can change a number of the running program, by name.

    That is `code_of` the script that `python -m stages.NAME` runs. For any other program, a test
    for instance, it is all code of the project.
    """
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    script = Path(spec.origin) if spec is not None and spec.origin else None
    if script is not None and script.is_relative_to(project / "stages"):
        return sorted(code_of(script, project))
    files = (file for folder in _FOLDERS for file in (project / folder).rglob("*.py"))
    return sorted(file.relative_to(project).as_posix() for file in files)


def code_of(script: Path, project: Path = PROJECT) -> set[str]:
    """Return the files that can change a number of `script`: its import closure minus UNTRACKED.

    A module's data, a YAML file of the same name, belongs to its code.
    """
    modules = closure(script, project)
    data = {path.with_suffix(".yaml") for path in modules if path.with_suffix(".yaml").is_file()}
    names = {path.relative_to(project).as_posix() for path in modules | data}
    return {name for name in names if not is_inside(name, UNTRACKED)}


def script_of(module: str, project: Path = PROJECT) -> Path:
    """Return the file of `python -m stages.NAME`."""
    (path,) = scripts_of(module, project)
    return path


def scripts_of(module: str, project: Path = PROJECT) -> list[Path]:
    """Return the files that `stages.NAME` may mean: in `stages/` or in one of its folders."""
    name = module.removeprefix("stages.")
    return [*project.glob(f"stages/{name}.py"), *project.glob(f"stages/*/{name}.py")]


def closure(script: Path, project: Path = PROJECT) -> set[Path]:
    """Return every file of the project that running `script` imports, `script` itself included.

    Packages whose `__init__.py` is a docstring alone are left out.
    """
    seen: set[Path] = set()
    todo = [script]
    while todo:
        path = todo.pop()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path in seen or (path.name == "__init__.py" and _is_docstring_only(tree)):
            continue
        seen.add(path)
        files = (_file(name, project) for name in _imported(tree))
        todo += [file for file in files if file is not None and file not in seen]
    return seen


def needs(script: Path, package: str, project: Path = PROJECT) -> bool:
    """Say whether a file of the script's closure imports `package`, which is not the project's."""
    for path in closure(script, project):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(name.split(".")[0] == package for name in _imported(tree)):
            return True
    return False


def is_inside(file: str, places: Collection[str]) -> bool:
    """Say whether a file is one of `places` or lies in one of them."""
    return any(file == place or file.startswith(f"{place}/") for place in places)


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(dotted: str, project: Path) -> Path | None:
    """Return the project's file of a module; None for a name that is not a module of it."""
    if dotted.split(".")[0] not in _FOLDERS:
        return None
    base = project.joinpath(*dotted.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _is_docstring_only(tree: ast.Module) -> bool:
    return all(isinstance(node, ast.Expr) for node in tree.body)
