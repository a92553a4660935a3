"""The licence of what an export was made from: the files that lie beside it, and what they name."""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import one_line


_FILES = ("LICENSE", "LICENCE", "COPYING", "NOTICE")  # the beginnings of their names
_LARGEST = 1 << 20  # bytes of a file that is taken along
_NAMED = re.compile(r"\A---\s*\n(?:.*\n)*?license:[ \t]*([\w.+-]+)[ \t]*\n", re.IGNORECASE)


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
    if not path.exists():
        return Licence(f"not known here; see where {one_line(path.name)!r} comes from", found=False)
    folder = path if path.is_dir() else path.parent
    files = tuple(sorted(p for p in folder.iterdir() if _is_licence(p)))
    name = _named_in(folder / "README.md")
    found = f"{name}, as its README.md says" if name else "no name in a README.md"
    kept = ", ".join(one_line(file.name) for file in files)
    there = f"its files are here: {kept}" if files else "no licence file lies beside it"
    return Licence(f"{found}; {there}", bool(files or name), name, files)


def _is_licence(path: Path) -> bool:
    named = path.name.upper().startswith(_FILES)
    return named and path.is_file() and path.stat().st_size <= _LARGEST


def _named_in(readme: Path) -> str | None:
    if not readme.is_file() or readme.stat().st_size > _LARGEST:
        return None
    found = _NAMED.match(readme.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else None
