"""Writing that is complete or did not happen, and by one program at a time.

A file or folder gets its own name only when it is complete and on the disk: writers fill
`.NAME.XXXXXXXX.partial` beside it, a scratch name of their own, and rename that. `locks.py` has the
locks.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from inspect import signature
from pathlib import Path
from secrets import token_hex
from typing import TypeVar, cast

from pipeline.errors import BusyError, DataError, DivergedError, one_line
from pipeline.locks import held


Command = TypeVar("Command", bound=Callable[..., None])

_SCRATCH = re.compile(r"\.(.+)\.[0-9a-f]{8}\.(old\.)?partial", re.DOTALL)
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)  # of a folder, on some file systems


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a fresh path beside `target`; rename it to `target` if the block succeeds.

    The block creates a file or a folder there. On any exception, Ctrl-C included, what it wrote
    is removed and an earlier `target` stays as it was. What a killed run left is removed first; an
    earlier folder that it had set aside, and not yet replaced, gets its name back.
    Within a folder that is itself still a scratch nothing is locked, and the scratch is not made
    anew: it may have got its name.

    Raises:
        BusyError: another program is writing `target`.
    """
    outer = next((p for p in target.parents if _SCRATCH.fullmatch(p.name)), None)
    alone = outer is None
    with ExitStack() as stack:
        if outer is None or outer.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
        if alone:
            stack.enter_context(held(target, "publish"))
            _clear_up(target)
        partial = _scratch(target)
        try:
            yield partial
            _publish(partial, target, safely=alone)
        finally:
            _remove(partial)


def is_scratch(path: Path) -> bool:
    """Say whether a path is one that `atomic_path` writes, or has set aside."""
    return _SCRATCH.fullmatch(path.name) is not None


def recover(folder: Path) -> None:
    """Clear up in a folder, as `atomic_path` does for its own target, what killed runs left.

    What a program is writing now stays.
    """
    paths = folder.iterdir() if folder.is_dir() else ()
    for name in sorted({match[1] for p in paths if (match := _SCRATCH.fullmatch(p.name))}):
        with suppress(BusyError), held(folder / name, "publish"):
            _clear_up(folder / name)


@contextmanager
def only_run(target: Path) -> Iterator[None]:
    """Let one program at a time work on what becomes `target`, from its beginning on.

    Of several ranks of `torchrun` the first holds the lock for all.

    Raises:
        BusyError: another program does.
    """
    if _follows_another_rank():
        yield
        return
    with held(target, "run"):
        yield


def _follows_another_rank() -> bool:
    """Say whether `torchrun` started this process as one of several ranks, and not as the first.

    A variable RANK alone says nothing: schedulers and shells set it as well.
    """
    of_several = os.environ.get("WORLD_SIZE", "1") != "1"
    launched = "TORCHELASTIC_RUN_ID" in os.environ and of_several
    return launched and os.environ.get("RANK", "0") != "0"


def one_at_a_time(
    place: Callable[..., Path], own: Collection[str] | None = None
) -> Callable[[Command], Command]:
    """Let a stage's command run under `only_run`; `place` returns its out for its arguments.

    If training or fine-tuning diverges, an earlier out is removed: it is not this run's. Where
    `own` has all names that the stage may write, a folder with others is refused before work
    begins, and others that came meanwhile stay.
    """

    def decorated(command: Command) -> Command:
        order = signature(command)

        @wraps(command)
        def alone(*args: object, **kwargs: object) -> None:
            target = place(*order.bind(*args, **kwargs).args)
            with only_run(target):
                if own is not None:
                    refuse_foreign(target, own=own)
                try:
                    command(*args, **kwargs)
                except DivergedError:
                    if not _follows_another_rank():  # several would remove it at once
                        _remove_own(target, own)
                    raise

        return cast(Command, alone)

    return decorated


def refuse_foreign(
    folder: Path, mark: str | None = None, own: Collection[str] | None = None
) -> None:
    """Refuse to replace an out that holds files which its stage did not write.

    Args:
        folder: the out; it may be missing or empty.
        mark: a file that the stage always writes into it; null: the names alone tell.
        own: all names that the stage may write; null: any, as long as the mark is there.

    Raises:
        DataError: names the first such file.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    unmarked = mark is not None and mark not in names
    foreign = [n for n in names if unmarked or (own is not None and n not in own)]
    if foreign and unmarked and own is not None and set(names) <= set(own):
        raise DataError(
            f"{folder}: {mark} is missing, so nobody can tell whether {one_line(foreign[0])} is "
            f"this stage's, which replaces the folder; move what is yours, or delete {folder}"
        )
    if foreign:
        raise DataError(
            f"{folder / one_line(foreign[0])}: not written by this stage, which replaces {folder}; "
            "move it to another folder, or delete it"
        )


def _remove_own(target: Path, own: Collection[str] | None) -> None:
    """Remove an out; of a folder only the names in `own`, where others are there."""
    if own is None or target.is_symlink() or not target.is_dir():
        _remove(target)
        return
    for name in own:
        _remove(target / name)
    if not any(target.iterdir()):
        target.rmdir()


def _scratch(target: Path) -> Path:
    return target.with_name(f".{target.name}.{token_hex(4)}.partial")


def _clear_up(target: Path) -> None:
    """Remove what killed runs left, but put back a folder that was to be replaced and was not.

    Nobody else writes while the lock is held.
    """
    for path in [*target.parent.iterdir()]:
        match = _SCRATCH.fullmatch(path.name)
        if match is None or match[1] != target.name:
            continue
        if match[2] and not os.path.lexists(target):
            path.rename(target)
        else:
            _remove(path)


def _publish(partial: Path, target: Path, *, safely: bool) -> None:
    """Rename the scratch; if `safely`, with all its bytes on the disk before and after.

    Raises:
        DataError: a file would replace a folder with all that is in it, or a folder a file.
    """
    if target.exists() and not target.is_symlink() and target.is_dir() != partial.is_dir():
        there, new = ("folder", "file") if target.is_dir() else ("file", "folder")
        raise DataError(
            f"{one_line(target)}: a {there} of that name is there, and a {new} was to be written; "
            f"give the {new} another name, or move the {there}"
        )
    if safely:
        for path in (*partial.rglob("*"), partial) if partial.is_dir() else (partial,):
            _sync(path)
    if target.is_dir() and not target.is_symlink():
        _swap(partial, target)
    else:
        if partial.is_dir():
            target.unlink(missing_ok=True)
        partial.replace(target)
    if safely:
        _sync(target.parent)


def _swap(partial: Path, target: Path) -> None:
    """Put the scratch in a folder's place; the old folder is removed only when that is done.

    Killed in between, the old folder has a name that tells it from a scratch: `_clear_up`.
    """
    old = _scratch(target).with_suffix(".old.partial")
    try:
        target.rename(old)
        partial.rename(target)
    except BaseException:  # a signal may come right after either
        if not target.exists():
            old.rename(target)
        raise
    _remove(old)


def _sync(path: Path) -> None:
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not path.is_dir() or error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
