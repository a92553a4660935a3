"""A copy of the tree in which files are broken, one mutation at a time, and made whole again."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


ROOT = Path(__file__).parents[2]


def copy_tree(target: Path, root: Path = ROOT) -> None:
    """Copy the tracked files as they are now; the copy is a repository of its own, as DVC needs."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        source, there = root / name, target / name
        if source.is_file():  # a file may be deleted and still be tracked
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, there)
    for command in (("init", "-q"), ("add", "-A")):
        subprocess.run(["git", *command], cwd=target, check=True, capture_output=True)


@contextmanager
def broken(root: Path, texts: Mapping[str, str], number: int) -> Iterator[None]:
    """Write the changed texts, and the old ones at the end.

    Python takes a module's compiled form by the source's time in seconds and its size. So every
    mutation has a time of its own, and what is made whole again has its old one.
    """
    kept = {name: ((root / name).read_bytes(), (root / name).stat()) for name in texts}
    try:
        for name, text in texts.items():
            path, before = root / name, kept[name][1].st_mtime
            path.write_text(text, encoding="utf-8")
            os.utime(path, (before + number, before + number))
        yield
    finally:
        for name, (content, status) in kept.items():
            (root / name).write_bytes(content)
            os.utime(root / name, ns=(status.st_atime_ns, status.st_mtime_ns))
