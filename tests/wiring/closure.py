"""Which files of this project a stage's script brings in, read from the imports alone."""

import ast
from pathlib import Path


ROOT = Path(__file__).parents[2]

# Code that cannot change a number: messages, the schema of values that DVC tracks through
# `params:`, how work is spread and resumed, and what is shown on the terminal.
UNTRACKED = ("pipeline/errors.py", "pipeline/params", "pipeline/processes", "stages/shell")


def script(module: str) -> Path:
    """The file of `python -m stages.NAME`: in `stages/` or in one of its folders."""
    name = module.removeprefix("stages.")
    (path,) = [*ROOT.glob(f"stages/{name}.py"), *ROOT.glob(f"stages/*/{name}.py")]
    return path


def _file(dotted: str) -> Path | None:
    base = ROOT.joinpath(*dotted.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def imported(path: Path, seen: set[Path] | None = None) -> set[Path]:
    """Every file that importing `path` runs, `path` itself included; not packages' docstrings."""
    seen = set() if seen is None else seen
    if path in seen or (path.name == "__init__.py" and _is_docstring_only(path)):
        return seen
    seen.add(path)
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            found = _file(name)
            if found is not None:
                imported(found, seen)
    return seen


def _is_docstring_only(path: Path) -> bool:
    return all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


def is_inside(file: str, places: set[str] | tuple[str, ...]) -> bool:
    """Tell whether a file is one of `places` or lies in one of them."""
    return any(file == place or file.startswith(f"{place}/") for place in places)


def code_of(module: str) -> set[str]:
    """The code that can change a stage's numbers: its import closure minus UNTRACKED.

    A module's data, a YAML file of the same name, belongs to its code.
    """
    modules = imported(script(module))
    data = {path.with_suffix(".yaml") for path in modules if path.with_suffix(".yaml").is_file()}
    files = {path.relative_to(ROOT).as_posix() for path in modules | data}
    return {file for file in files if not is_inside(file, UNTRACKED)} - {"stages/__init__.py"}
