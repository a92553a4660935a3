"""The licence of what an export was made from: the files that lie beside it, and what they name."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pipeline.errors import one_line
from pipeline.params.inputs import leads_out


_FILES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")  # the beginnings of their names
_LARGEST = 1 << 20  # bytes of a file that is taken along
_MARK = "---"  # a README's first line, and that after its facts
_NAMED = re.compile(r"license:[ \t]*([\w.+-]+)[ \t]*", re.IGNORECASE)


@dataclass(frozen=True)
class Licence:
    """What is known of a licence.

    Attributes:
        words: a sentence for the model card.
        found: whether anything says which licence it is.
        name: as the source's README names it, or null.
        files: that belong to it.
    """

    words: str
    found: bool
    name: str | None = None
    files: tuple[Path, ...] = ()


def licence_beside(source: str) -> Licence:
    """Return what lies beside a folder or a file, or says that nothing does.

    Args:
        source: `base.source` or `data.source`: a path, or a name of something elsewhere.
    """
    path = Path(source).expanduser()
    folder = path if path.is_dir() else path.parent
    # What lies in the project's own folder is the project's.
    if not path.exists() or folder.resolve() == Path.cwd():
        return Licence(f"not known here; see where {one_line(path.name)!r} comes from", found=False)
    named = sorted(p for p in folder.iterdir() if p.name.upper().startswith(_FILES))
    links = [file for file in named if leads_out(file, folder)]
    files = tuple(file for file in named if file not in links and _is_small(file))
    name = _named_in(folder)
    found = f"{name}, as its README.md says" if name else "no name in a README.md"
    there = f"its files are here: {_names(files)}" if files else "no licence file lies beside it"
    left = f"; not taken, a link out of its folder: {_names(links)}" if links else ""
    return Licence(f"{found}; {there}{left}", bool(files or name), name, files)


def _names(files: Iterable[Path]) -> str:
    return ", ".join(one_line(file.name) for file in files)


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= _LARGEST


def _named_in(folder: Path) -> str | None:
    """Return the licence that a README names between its first line and the next mark."""
    readme = folder / "README.md"
    if leads_out(readme, folder) or not _is_small(readme):
        return None
    first, *lines = readme.read_text(encoding="utf-8", errors="replace").split("\n")
    if first.rstrip() != _MARK:
        return None
    facts = takewhile(lambda line: line.rstrip() != _MARK, lines)
    return next((found[1] for line in facts if (found := _NAMED.fullmatch(line))), None)
