"""An input of the user's must not lie where stages write: DVC deletes an out before it is made."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatch
from glob import has_magic
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline import artifacts
from pipeline.errors import DataError, ParamsError, one_line
from pipeline.strict_json import strict_loads


# Keys of params.yaml that may hold a path, and the words that are no path there.
PATH_KEYS: Mapping[str, tuple[str, ...]] = {
    "data.source": ("synthetic", "personachat"),
    "data.pretrain": ("synthetic",),
    "base.source": ("pretrain",),
    "base.pretrain.tokenizer": (),
}

# Everything that stages and commands write, and so may remove. A test holds dvc.yaml's outs to it.
WRITTEN = (
    artifacts.RAW,
    artifacts.PRETRAIN_TEXT,
    artifacts.TASKS,
    artifacts.MODELS,
    artifacts.PREDICTIONS,
    artifacts.METRICS,
    artifacts.REPORT,
    artifacts.CHECKPOINTS,
    Path("logs"),
)

_MOST_ENTRIES = 100_000  # of an input folder that are looked at, as many as are read
_CACHED = ("models--", "datasets--")  # folders of the hub's cache
_IN_DVCS_CACHE = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
_OWN = (artifacts.PARAMS, Path("dvc.yaml"), Path("dvc.lock"))
_OTHERS = (Path("data"), Path(".git"), Path(".dvc"))  # where nobody's results belong, either


def refuse_inputs_in_outs(values: Mapping[str, Any], origin: str) -> None:
    """Refuse a path in the parameters that lies in an out, or that an out lies in.

    Links, `..`, `~` and another spelling of case are seen through, where the file exists.

    Args:
        values: the content of a params.yaml, not yet validated.
        origin: names it in the message.

    Raises:
        ParamsError: names the key, the path and the out.
    """
    for key, words in PATH_KEYS.items():
        value: object = values
        for part in key.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if (
            isinstance(value, str)
            and value not in words
            and "://" not in value
            and "\0" not in value
        ):
            refuse_in_outs(value, f"{origin}: {key}")


def refuse_in_outs(given: str, name: str) -> None:
    """Refuse the path of one input; `name` says in the message where it was given.

    Raises:
        ParamsError: it lies in an out, or an out lies in it; or its links lead in a circle.
    """
    place = place_of(given, name)
    _refuse_circle(place, name)
    around = (out for out in WRITTEN if _inside(out, place) or _reaches(place, out))
    inside = (out for path in (place, *_linked(place)) for out in WRITTEN if _inside(path, out))
    for out in (*around, *inside):
        raise ParamsError(
            f"{name}: {one_line(repr(given))} and {out}, which stages write and remove, "
            "lie one in the other; move the input to a place of its own"
        )


def refuse_target(path: Path, name: str) -> None:
    """Refuse a place for a result where stages write; `name` says where it was given.

    Raises:
        ParamsError: it lies in an out, or an out lies in it; or its links lead in a circle.
    """
    _refuse_circle(path, name)
    for out in (*WRITTEN, *_OTHERS):
        if _inside(path, out) or _inside(out, path):
            raise ParamsError(
                f"{name}: {one_line(repr(str(path)))} and {out}, which stages or their tools write "
                "and remove, lie one in the other; name a place of its own"
            )
    for own in (own for own in _OWN if _inside(path, own)):
        raise ParamsError(f"{name}: {own} is the project's own; name another place")
    if (path / "dvc.yaml").exists():
        raise ParamsError(
            f"{name}: {one_line(repr(str(path)))} is a project, which has files of the same names; "
            "name another place"
        )


def refuse_others_file(path: Path, name: str, is_own: Callable[[bytes], bool]) -> None:
    """Refuse a place for a result where stages write, or where a file lies that is no such result.

    Args:
        path: of the file that will be replaced.
        name: says in the message where the path was given.
        is_own: tells by the content whether an earlier run of the command wrote the file.

    Raises:
        ParamsError: somebody else's file would be lost.
    """
    refuse_target(path, name)
    there = _real(path)  # a folder on the way that is not there yet will be made
    content = there.read_bytes() if there.is_file() else b""
    if (content and not is_own(content)) or (there.exists() and not there.is_file()):
        raise ParamsError(
            f"{name}: {one_line(repr(str(path)))} is there, and this command, which would replace "
            "it, did not write it; move it elsewhere, or name another file"
        )


def json_with(keys: Iterable[str]) -> Callable[[bytes], bool]:
    """Return what tells whether a content is a JSON object with these keys."""

    def tells(content: bytes) -> bool:
        try:
            value = strict_loads(content)
        except (ValueError, RecursionError):
            return False
        return isinstance(value, dict) and value.keys() >= {*keys}

    return tells


def place_of(given: str, name: str) -> Path:
    """Return a path that the user gives, `~` and `~USER` seen through.

    Raises:
        ParamsError: there is no such user, or a path cannot be written so; `name` says where the
            path was given.
    """
    if "\0" in given:
        raise ParamsError(f"{name}: {one_line(repr(given))}: no path holds the character NUL")
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise ParamsError(
            f"{name}: {one_line(repr(given))}: no home of that user is known; give the whole path"
        ) from error


def _refuse_circle(path: Path, name: str) -> None:
    try:
        path.resolve()
    except RuntimeError as error:  # of Python before 3.13
        raise ParamsError(
            f"{name}: {one_line(repr(str(path)))}: its links lead in a circle; give another path"
        ) from error


def leads_out(path: Path, folder: Path) -> bool:
    """Say whether a file of a folder is a link to what lies elsewhere: that is not the folder's.

    The hub's cache has links from `snapshots/REVISION` to `blobs` of the same model or data set.
    DVC's may have links to files named by their content, which nobody can guess.
    """
    place, own = _real(path), _real(folder)
    if place.is_relative_to(own) or _IN_DVCS_CACHE.search(place.as_posix()):
        return False
    blobs = (
        above.parent / "blobs"
        for above in own.parents
        if above.name == "snapshots" and above.parent.name.startswith(_CACHED)
    )
    return not any(place.is_relative_to(blob) for blob in blobs)


def own_file(path: Path, folder: Path) -> Path:
    """Return the path of a file in somebody's folder that will be copied, once it was looked at.

    Raises:
        DataError: it is a link out of the folder: the copy would hold a file of the user's.
    """
    if leads_out(path, folder):
        raise DataError(
            f"{one_line(path)}: a link out of {one_line(folder)}, whose files alone are kept; put "
            "the file itself there, or delete the link"
        )
    return path


def _linked(given: Path) -> Iterator[Path]:
    """Yield the links in a folder, however deep, and what a pattern reaches through links."""
    if given.is_dir():
        folders = os.walk(given)
        entries = (Path(at, name) for at, more, files in folders for name in (*more, *files))
        yield from (path for path in islice(entries, _MOST_ENTRIES) if path.is_symlink())
    elif has_magic(str(given)):
        root = Path(given.anchor) if given.is_absolute() else Path()
        found = root.glob(str(given.relative_to(root)))
        for path in islice(found, _MOST_ENTRIES):
            if _real(path) != path.absolute():
                yield path


def _inside(inner: Path, outer: Path) -> bool:
    """Say whether a path is another or lies in it; the same file is the same, however spelled."""
    place = _real(inner)
    return any(way == _real(outer) or _same(way, outer) for way in (place, *place.parents))


def _real(path: Path) -> Path:
    """Return a path with links seen through; for one to itself `Path.resolve` has an error."""
    return Path(os.path.realpath(path))


def _reaches(pattern: Path, out: Path) -> bool:
    """Say whether a pattern may name an out or what lies in it: `data/*.txt` has pretrain.txt."""
    if not has_magic(str(pattern)):
        return False
    there, parts = _real(out).parts, _real(pattern).parts
    for number, part in enumerate(parts):
        if part == "**" or number == len(there):
            return True
        if not fnmatch(there[number].casefold(), part.casefold()):
            return False
    return len(parts) == len(there)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
