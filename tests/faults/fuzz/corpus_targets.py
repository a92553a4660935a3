"""What a stranger's conversations may hold, in every format that is read."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.params import Data, Settings
from pipeline.persona.corpus.own import write_splits
from tests.faults.fuzz.target import Target
from tests.support.corpora import FORMATS, world
from tests.wiring.closure import ROOT


@cache
def _written() -> dict[str, bytes]:
    """A file of each format, by its name."""
    found = {}
    for write in FORMATS.values():
        with TemporaryDirectory() as folder:
            path = write(world(8, 2, 2), Path(folder))
            files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
            found[files[0].name] = files[0].read_bytes()
    return found


@cache
def _data() -> Data:
    return Settings.load(ROOT / "presets/embedded.yaml").check().data


def _seeds() -> Sequence[bytes]:
    return [bytes([number]) + content for number, content in enumerate(_written().values())]


def _own(content: bytes, place: Path) -> None:
    """Read a file; the first byte says whose name it has."""
    names = list(_written())
    path = place / names[content[0] % len(names) if content else 0]
    path.write_bytes(content[1:])
    into = place / "into"
    into.mkdir()
    write_splits(str(path), _data(), into)


_WORDS = (b'"role": ', b'"content": ', b'{"', b"}]", b"null", b"\\ud800", b"\t", b" +++$+++ ")
_WORDS += (b"1/13/99, 25:61 - a: b\n", b"[", b"9" * 400, b"\xff", b"\r", b'"', b"\0", b"1e999")

TARGETS = (Target("own", _seeds, _own, _WORDS),)
