"""What DVC records of a stage, written without it: an entry of its lock, files in its cache."""

import hashlib
import json
import shutil
from pathlib import Path

import yaml


CACHE = Path(".dvc/cache/files/md5")


def record(stage: str, *outs: Path) -> None:
    """Do as `dvc commit` does."""
    put_into_cache(*outs)
    name_in_lock(stage, *outs)


def name_in_lock(stage: str, *outs: Path) -> None:
    """Write an entry of the lock; without outs the stage is taken out of it."""
    lock = Path("dvc.lock")
    stages = yaml.safe_load(lock.read_text())["stages"] if lock.exists() else {}
    stages.pop(stage, None)
    if outs:
        entries = [{"path": str(out), "hash": "md5", "md5": digest(out), "size": 1} for out in outs]
        stages[stage] = {"cmd": "x", "deps": [{"path": "in", "md5": "aa11"}], "outs": entries}
    lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))


def put_into_cache(*outs: Path) -> None:
    """Copy the bytes of outs, each under its digest."""
    for out in outs:
        if out.is_dir():
            put_into_cache(*files(out))
            in_cache(out).parent.mkdir(parents=True, exist_ok=True)
            in_cache(out).write_text(listing(out))
        else:
            in_cache(out).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(out, in_cache(out))


def in_cache(out: Path) -> Path:
    """Return the place of an out's bytes, or of a folder's list."""
    return CACHE / digest(out)[:2] / digest(out)[2:]


def digest(out: Path) -> str:
    """Return what DVC calls the md5 of an out."""
    if out.is_dir():
        return hashlib.md5(listing(out).encode()).hexdigest() + ".dir"
    return hashlib.md5(out.read_bytes()).hexdigest()


def listing(folder: Path) -> str:
    """Return DVC's list of a folder's files."""
    return json.dumps([{"md5": digest(file), "relpath": file.name} for file in files(folder)])


def files(folder: Path) -> list[Path]:
    """Return the files of a flat folder in DVC's order."""
    return sorted(folder.iterdir())
