"""What is fuzzed, and what is right: it is read, or refused in one line of our own error."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from pipeline.errors import PipelineError


SLOWEST = 60.0  # seconds for one input; a chat template may take 20 of a processor's
LONGEST = 2000  # characters of a message
PLACE = "place"  # the folder that an input may be written to

Read = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        name: as the command line has it.
        seeds: inputs that are read right, to begin with.
        read: reads an input as the commands do, in an empty folder; it raises a PipelineError if
            the input is refused, and an AssertionError if it was read wrong.
        words: pieces that the mutations put in.
        heavy: an input takes so long that `make test` tries few.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    read: Read
    words: Sequence[bytes] = ()
    heavy: bool = False


def complaint(target: Target, content: bytes, folder: Path) -> str | None:
    """Return what is wrong with how an input was read; None: nothing is.

    Args:
        target: how it is read.
        content: the input.
        folder: an empty folder; afterwards it holds `PLACE`, which the caller empties.
    """
    place = folder / PLACE
    place.mkdir()
    began = monotonic()
    found = _read(target, content, place)
    took = monotonic() - began
    if found is None and took > SLOWEST:
        found = f"took {took:.0f} s"
    if others := [path.name for path in folder.iterdir() if path.name != PLACE]:
        found = f"wrote {others[0]!r} beside its folder"
    return found


def _read(target: Target, content: bytes, place: Path) -> str | None:
    try:
        target.read(content, place)
    except PipelineError as error:
        said = str(error)
        if said.isprintable() and len(said) <= LONGEST:
            return None
        return f"{_where(error)} said {said[:200]!r} of {len(said)} characters"
    except Exception as error:
        return f"{_where(error)} {type(error).__name__}: {str(error)[:200]!r}"
    return None


def _where(error: BaseException) -> str:
    """Return the last lines of the traceback, one of this project's among them."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "/pipeline/" in f.filename or "/stages/" in f.filename]
    shown = [f"{Path(f.filename).name}:{f.lineno}" for f in (*own[-1:], frames[-1])]
    return " < ".join(dict.fromkeys(reversed(shown)))
