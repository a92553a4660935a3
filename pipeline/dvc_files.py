"""What DVC has on the disk: its lock's record of a stage, and whether its cache has the outs.

No stage imports DVC, so its files are read here as they are documented.
"""

import json
import os
import re
from configparser import ConfigParser
from configparser import Error as ConfigError
from contextlib import suppress
from pathlib import Path


LOCK = Path("dvc.lock")
_DVC = Path(".dvc")


def text_of(path: Path) -> str:
    """Return a file's text; an empty one if there is no file."""
    with suppress(FileNotFoundError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""


def entry_of(stage: str) -> str:
    """Return what `dvc.lock` has of a stage; an empty text where it has nothing."""
    found = re.search(rf"^  {re.escape(stage)}:\n(?:   .*\n)*", text_of(LOCK), re.MULTILINE)
    return found[0] if found else ""


def outs_of(lock: str) -> dict[str, str]:
    """Return the digest of each out in `dvc.lock`'s text, or in an entry of it, by path."""
    found = {}
    for outs in re.findall(r"^    outs:\n((?:    - .*\n|      .*\n)*)", lock, re.MULTILINE):
        for out in re.split(r"^    - ", outs, flags=re.MULTILINE)[1:]:
            path = re.search(r"^(?:      )?path: (.*)$", out, re.MULTILINE)
            digest = re.search(r"^(?:      )?md5: (.*)$", out, re.MULTILINE)
            if path and digest:
                found[path[1]] = digest[1]
    return found


def is_cached(entry: str) -> bool:
    """Say whether DVC's cache has every file of an entry's outs.

    Where its disk is full, DVC may write the list of a folder's files and `dvc.lock`, but not all
    of the files.
    """
    cache = _cache() / "files" / "md5"

    def has(digest: str) -> bool:
        path = cache / digest[:2] / digest[2:]
        if not digest.endswith(".dir"):
            return path.is_file()
        try:
            files = json.loads(path.read_text(encoding="utf-8"))
            return all(has(file["md5"]) for file in files)
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return False

    return all(map(has, outs_of(entry).values()))


def _cache() -> Path:
    """Return the folder of DVC's cache: that of the last configuration that names one."""
    cache = _DVC / "cache"
    users = _at_home(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "dvc"
    for file in (users / "config", _DVC / "config", _DVC / "config.local"):
        config = ConfigParser(interpolation=None, strict=False)
        with suppress(ConfigError, OSError, UnicodeDecodeError):
            config.read(file, encoding="utf-8")
            if named := config.get("cache", "dir", fallback=None):
                cache = file.parent / _at_home(named)
    return cache


def _at_home(path: str) -> Path:
    return Path(os.path.expanduser(path))  # noqa: PTH111 - whoever has no home is no error
