"""What DVC has on the disk: digests of outs, its lock's record of a stage, and its cache.

No stage imports DVC, so its files are read here as they are documented.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from functools import partial
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


LOCK = Path("dvc.lock")
_DVC = Path(".dvc")
_FOLDER = ".dir"  # ends the digest of a folder


def digest_of(out: Path) -> str:
    """Return an out's digest as `dvc.lock` has it, an MD5: of a file's bytes, or a list of files.

    Raises:
        FileNotFoundError: there is no such out.
    """
    if not out.is_dir():
        return _md5(out)
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    files = [{"md5": _md5(out / name), "relpath": name} for name in names]
    return hashlib.md5(json.dumps(files).encode(), usedforsecurity=False).hexdigest() + _FOLDER


def outs_of(stage: str) -> dict[str, str]:
    """Return the digest of each out that `dvc.lock` has of a stage, by path; none without it."""
    entry = re.search(rf"^  {re.escape(stage)}:\n(?:   .*\n)*", _lock(), re.MULTILINE)
    try:
        (values,) = YAML(typ="safe").load(entry[0] if entry else "x: {}").values()
        return {out["path"]: out["md5"] for out in values.get("outs", ())}
    except (YAMLError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def is_cached(outs: Mapping[str, str]) -> bool:
    """Say whether DVC's cache has every file of outs, which are given by their digests.

    Where its disk is full, DVC may write the list of a folder's files and `dvc.lock`, but not all
    of the files.
    """
    cache = _cache() / "files" / "md5"

    def has(digest: str) -> bool:
        path = cache / digest[:2] / digest[2:]
        if not digest.endswith(_FOLDER):
            return path.is_file()
        try:
            files = json.loads(path.read_text(encoding="utf-8"))
            return all(has(file["md5"]) for file in files)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return False

    return all(map(has, outs.values()))


def _lock() -> str:
    with suppress(FileNotFoundError):
        return LOCK.read_text(encoding="utf-8", errors="replace")
    return ""


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _cache() -> Path:
    """Return the folder of DVC's cache: that of the last configuration that names one."""
    cache = _DVC / "cache"
    said = os.environ.get
    systems = said("XDG_CONFIG_DIRS", "").split(os.pathsep)[0] or "/etc/xdg"
    users = said("XDG_CONFIG_HOME") or "~/.config"
    folders = (
        said("DVC_SYSTEM_CONFIG_DIR") or f"{systems}/dvc",
        said("DVC_GLOBAL_CONFIG_DIR") or f"{users}/dvc",
    )
    files = [_at_home(folder) / "config" for folder in folders]
    for file in (*files, _DVC / "config", _DVC / "config.local"):
        config = ConfigParser(interpolation=None, strict=False)
        with suppress(ConfigError, OSError, UnicodeDecodeError):
            config.read(file, encoding="utf-8")
            if named := config.get("cache", "dir", fallback=None):
                cache = file.parent / _at_home(named)
    return cache


def _at_home(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - whoever has no home is no error
