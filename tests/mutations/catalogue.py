"""The mutations as data, and what can be said of them without running anything."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML


DATA = Path(__file__).parent
_EDIT = {"file", "find", "replace"}
_ENTRY = {"what", "test", "fast", "timeout"}


class CatalogueError(Exception):
    """An entry that is not one; the message names it."""


@dataclass(frozen=True)
class Edit:
    """One snippet in one file, and what takes its place."""

    file: str
    find: str
    replace: str

    def applied(self, text: str) -> str | None:
        """Return the file's text with the edit; None if the snippet is not there exactly once."""
        return text.replace(self.find, self.replace) if text.count(self.find) == 1 else None


@dataclass(frozen=True)
class Mutation:
    """The code broken in one way, and the test that has to fail then."""

    area: str  # the data file's name
    what: str
    edits: tuple[Edit, ...]
    test: str  # pytest's node id
    fast: bool = False
    timeout: float | None = None  # seconds for the test; None: the command's

    @property
    def name(self) -> str:
        """Return the area and what is broken."""
        return f"{self.area}: {self.what}"

    def matches(self, patterns: Sequence[str]) -> bool:
        """Whether any pattern is part of the name, a file or the test; without patterns, always."""
        texts = [self.name, self.test, *(edit.file for edit in self.edits)]
        wanted = [f"*{pattern.lower()}*" for pattern in patterns]
        return not wanted or any(fnmatch(t.lower(), pattern) for t in texts for pattern in wanted)

    def mutated(self, root: Path) -> dict[str, str] | None:
        """Return the changed files' texts by name; None if a snippet is not there exactly once."""
        texts: dict[str, str] = {}
        for edit in self.edits:
            path = root / edit.file
            if edit.file not in texts:
                if not path.is_file():
                    return None
                texts[edit.file] = path.read_text(encoding="utf-8")
            changed = edit.applied(texts[edit.file])
            if changed is None:
                return None
            texts[edit.file] = changed
        return texts


def load(folder: Path = DATA) -> list[Mutation]:
    """Read all YAML files of a folder, in the order of their names."""
    yaml = YAML(typ="safe")
    return [
        _mutation(path.stem, entry)
        for path in sorted(folder.glob("*.yaml"))
        for entry in yaml.load(path) or ()
    ]


def _mutation(area: str, entry: Any) -> Mutation:
    if not isinstance(entry, dict) or not isinstance(entry.get("what"), str):
        raise CatalogueError(f"{area}: an entry without `what`: {entry!r}")
    edits = entry.get("edits", [{key: entry[key] for key in _EDIT if key in entry}])
    allowed = _ENTRY | ({"edits"} if "edits" in entry else _EDIT)
    if set(entry) - allowed or "test" not in entry or any(set(edit) != _EDIT for edit in edits):
        raise CatalogueError(
            f"{area}: {entry['what']}: what, file, find, replace and test are needed, or edits"
        )
    made = tuple(Edit(edit["file"], edit["find"], edit["replace"]) for edit in edits)
    options = {key: entry[key] for key in ("fast", "timeout") if key in entry}
    return Mutation(area, entry["what"], made, entry["test"], **options)


def faults(mutation: Mutation, root: Path) -> Iterator[str]:
    """Yield what is wrong with an entry, as far as files alone can tell."""
    texts = mutation.mutated(root)
    if texts is None:
        yield "snippet not found exactly once"
        return
    for file, text in texts.items():
        if text == (root / file).read_text(encoding="utf-8"):
            yield f"{file} is not changed"
        if file.endswith(".py"):
            try:
                compile(text, file, "exec", dont_inherit=True)
            except SyntaxError as error:
                yield f"{file} does not compile: {error.msg}"
    if not _exists(mutation.test, root):
        yield f"no test {mutation.test}"


def _exists(test: str, root: Path) -> bool:
    """Whether a test's file holds a function of that name; parameters are not looked at."""
    file, _, rest = test.partition("::")
    path = root / file
    if not path.is_file():
        return False
    names = rest.partition("[")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == names for node in tree.body)
