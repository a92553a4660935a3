"""Which reader a path is for."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.errors import DataError, one_line
from pipeline.params import Data
from pipeline.persona.conversation.tally import Tally
from pipeline.persona.readers import (
    convokit,
    messages,
    messenger,
    personachat_json,
    personachat_text,
    sharegpt,
    synthetic_persona_chat,
)
from pipeline.persona.readers.reader import Found, Reader, head_of
from pipeline.persona.readers.shared.files import BOM, CorpusFile, files_of


# The first that recognises a file reads it.
READERS: tuple[Reader, ...] = (
    messages.READER,
    sharegpt.READER,
    personachat_json.READER,
    convokit.READER,
    synthetic_persona_chat.READER,
    personachat_text.READER,
    messenger.READER,
)
_PACKED = {b"PK\x03\x04": "zip", b"\x1f\x8b": "gzip", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}
_OTHER_TEXT = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class Source:
    """Files of one format, and the reader for it."""

    reader: Reader
    files: tuple[CorpusFile, ...]

    def read(self, data: Data, tally: Tally) -> Iterator[Found]:
        """Yield the conversations as the files have them."""
        return self.reader.read(self.files, data, tally)


def recognised(given: str, tally: Tally) -> Source:
    """Return the files of a path with their reader; files that none can read are counted.

    Raises:
        DataError: there is no file; a file is empty, packed or of no known format; a folder holds
            several formats, or none.
    """
    files = files_of(given)
    if len(files) == 1:
        return Source(_reader_of(files[0]), (files[0],))
    found: dict[str, list[CorpusFile]] = {}
    for file in files:
        try:
            found.setdefault(_reader_of(file).name, []).append(file)
        except DataError as error:
            tally.leave_out("files that are no conversations", str(error))
    if not found:
        raise DataError(
            f"{one_line(given)}: {len(files)} files, none of a format that is known: {_known()}"
        )
    if len(found) > 1:
        kinds = "; ".join(f"{name} ({one_line(f[0].name)})" for name, f in found.items())
        raise DataError(
            f"{one_line(given)}: files of several formats: {kinds}; give those of one, "
            "by a pattern such as 'folder/*.txt'"
        )
    ((name, kept),) = found.items()
    reader = next(reader for reader in READERS if reader.name == name)
    return Source(reader, tuple(kept))


def _reader_of(file: CorpusFile) -> Reader:
    with file.path.open("rb") as stream:
        problem = _no_text(stream.read(1 << 12))
    if problem is not None:
        raise DataError(f"{one_line(file.name)}: {problem}")
    head = head_of(file)
    for reader in READERS:
        if reader.recognises(head):
            return reader
    as_json = f"; as JSON: {head.no_json}" if head.no_json else ""
    raise DataError(
        f"{one_line(file.name)}: of no format that is known ({_known()}); see docs/corpora.md"
        f"{as_json}"
    )


def _no_text(start: bytes) -> str | None:
    """Say why a file that begins so cannot be read; null: it is text."""
    if not start.removeprefix(BOM).strip():
        return "empty; a corpus has at least one conversation"
    for mark, kind in _PACKED.items():
        if start.startswith(mark):
            return f"packed ({kind}); unpack it and give what was in it"
    for mark, kind in _OTHER_TEXT.items():
        if start.startswith(mark):
            return f"{kind} text; convert it to UTF-8"
    return f"no text; formats that are known: {_known()}" if b"\0" in start else None


def _known() -> str:
    return ", ".join(reader.name for reader in READERS)
