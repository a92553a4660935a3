"""Locks on what is written: files that the system releases when their holder dies.

A lock lies where every program looks that may write the same target: in `.locks` of the working
directory, or of the project that the target lies in, or else beside the target.
"""

import atexit
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path

from pipeline.errors import BusyError


LOCKS = Path(".locks")
_PATIENCE = 2.0  # seconds, in which what belongs to a run that was killed ends, too
_LOOK = 0.1  # seconds between two tries


@contextmanager
def held(target: Path, kind: str) -> Iterator[None]:
    """Hold the lock of one kind on `target`.

    Raises:
        BusyError: another program holds it.
    """
    place = target.parent.resolve() / target.name
    path = _lock_of(place, kind)
    descriptor = _acquired(path)
    if descriptor is None:
        raise BusyError(target)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: who opened it before finds out below
        os.close(descriptor)


def _lock_of(place: Path, kind: str) -> Path:
    """Return the lock's file for an absolute path."""
    here = Path.cwd()
    if here in place.parents:
        return _in_folder(LOCKS, place, kind)
    for folder in place.parents:
        if (folder / ".dvc").is_dir():
            return _in_folder(folder / LOCKS, place, kind)
    return place.with_name(f".{place.name}.{kind}.lock")


def _in_folder(locks: Path, place: Path, kind: str) -> Path:
    return locks / f"{kind}-{sha256(os.fsencode(place)).hexdigest()[:24]}"


def _acquired(path: Path) -> int | None:
    """Return the descriptor of a lock that is held now; null if another program holds it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:  # the holder before has removed the file: lock its successor
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


@dataclass(frozen=True)
class _Claim:
    """A slot that this process has."""

    number: int
    lock: Path
    descriptor: int
    process: int  # forks inherit the claim, and do not end it


_claims: dict[Path, _Claim] = {}  # by the first slot's absolute path


class Slot:
    """Files that one run at a time has, though runs of the same name may be at work.

    Runs of one name compute the same bytes, e.g. two experiments of DVC at once, each in a folder
    of its own, with what they keep in that of the project. The second neither waits nor ends: its
    files are `STEM.2`, the next one's `STEM.3`. What a run that was killed has left is taken up by
    the next one that has no files of its own. Within a process a name is one run's.

    Args:
        folder: of the files.
        stem: the name without what follows.
        endings: what follows the stem, of each file, e.g. `.jsonl`; the first is `path`'s.
    """

    def __init__(self, folder: Path, stem: str, endings: Sequence[str]) -> None:
        self._folder, self._stem, self._endings = folder, stem, endings
        self._key = folder.absolute() / f"{stem}{endings[0]}"
        self._name = re.compile(
            rf"{re.escape(stem)}(?:\.([0-9]+))?({'|'.join(map(re.escape, endings))})"
        )

    @property
    def path(self) -> Path:
        """The first of this run's files."""
        return self.files[0]

    @property
    def files(self) -> list[Path]:
        """This run's files, whether they are there or not; the slot is claimed by asking."""
        return self._files(self._claim().number)

    @property
    def empty(self) -> bool:
        """Whether no run of the name has files; nothing is claimed by asking."""
        return not self._there()

    @property
    def shared(self) -> bool:
        """Whether another rank on this machine keeps the files for all of them."""
        return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("LOCAL_RANK", "0") != "0"

    def delete(self, spare: Callable[[list[Path]], bool] = lambda _: False) -> None:
        """Remove this run's files, and those of runs that were killed: the out is written.

        Args:
            spare: is given this run's files, and says whether these stay for a while.
        """
        if self.shared:
            return
        spared = set()
        if (own := _claims.get(self._key)) is not None:
            if spare(self._files(own.number)):
                spared.add(own.number)
            else:
                self._remove(own.number)
            _release(self._key)
        for number in sorted(self._there() - spared):
            lock = self._lock(number)
            if (descriptor := _acquired(lock)) is not None:
                self._remove(number)
                lock.unlink(missing_ok=True)
                os.close(descriptor)

    def _claim(self) -> _Claim:
        """Return the claim of this process: of what is left of a killed run, or of nothing yet."""
        if (own := _claims.get(self._key)) is not None:
            return own
        end = time.monotonic() + _PATIENCE
        while (claim := self._first_free(sorted(there := self._there()))) is None:
            if not there or time.monotonic() > end:
                new = (number for number in count(1) if number not in there)
                claim = self._first_free(new)
                break
            time.sleep(_LOOK)
        assert claim is not None  # there is no end of new numbers
        _claims[self._key] = claim
        return claim

    def _first_free(self, numbers: Iterable[int]) -> _Claim | None:
        for number in numbers:
            lock = self._lock(number).absolute()
            if (descriptor := _acquired(lock)) is not None:
                return _Claim(number, lock, descriptor, os.getpid())
        return None

    def _files(self, number: int) -> list[Path]:
        stem = self._stem if number == 1 else f"{self._stem}.{number}"
        return [self._folder / f"{stem}{ending}" for ending in self._endings]

    def _there(self) -> set[int]:
        """Return the numbers of slots that have files."""
        if not self._folder.is_dir():
            return set()
        matches = (self._name.fullmatch(path.name) for path in self._folder.iterdir())
        return {int(match[1] or 1) for match in matches if match}

    def _lock(self, number: int) -> Path:
        place = self._files(number)[0].absolute()
        return _in_folder(self._folder.parent / LOCKS, place.resolve(), "claim")

    def _remove(self, number: int) -> None:
        for path in self._files(number):
            path.unlink(missing_ok=True)


def _release(key: Path) -> None:
    claim = _claims.pop(key)
    if claim.process == os.getpid():
        claim.lock.unlink(missing_ok=True)
    os.close(claim.descriptor)


@atexit.register
def _release_all() -> None:
    for key in [*_claims]:
        with suppress(OSError):
            _release(key)
