"""Unpack Persona-chat's text files, or one compressed text, from a file that is not trusted."""

import codecs
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline import artifacts
from pipeline.errors import DataError, DownloadError, one_line
from pipeline.persona.corpus.tar_headers import refuse_costly_headers


WANTED = tuple(artifacts.raw_text(split).name for split in artifacts.SPLITS)
LARGEST_MEMBER = 1 << 30  # bytes of one text file
LARGEST_CONTENT = 8 << 30  # bytes of everything in an archive, or of one text
HIGHEST_RATIO = 200  # bytes of content for each compressed one; text has about 4
ALWAYS_ALLOWED = 64 << 20  # bytes of content, whatever the ratio
XZ_MEMORY = 128 << 20  # bytes that unpacking may take; what `xz -9` has packed takes 65 MiB
MOST_MEMBERS = 10_000
_CHUNK = 1 << 20


def extract(archive: Path, into: Path, wanted: Collection[str] = WANTED) -> None:
    """Write the text files of a `.tgz` in Persona-chat's layout into the folder `into`.

    Only members with the wanted base names are unpacked. Each must occur once, be a regular file
    below the archive's root, and be at most `LARGEST_MEMBER` bytes large. Other members are
    ignored. The headers are walked once before `tarfile`, which would read them whole, sees them.

    Args:
        archive: the file.
        into: an existing folder.
        wanted: base names of the files that are asked for, of `WANTED`.

    Raises:
        DownloadError: the archive is damaged, is no `.tgz`, lacks a file or has an unsafe member.
    """
    unpacked = set()
    with _readable(archive):
        with gzip.open(archive) as stream:
            refuse_costly_headers(
                stream, archive.name, members=MOST_MEMBERS, content=_allowed(archive)
            )
        with gzip.open(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in _members(tar, archive):
                    name = Path(member.name).name
                    if name not in wanted:
                        continue
                    if name in unpacked:
                        raise DownloadError(f"{archive.name}: it holds {name} twice; refused")
                    unpacked.add(name)
                    _check(member, archive)
                    tar.extract(
                        member.replace(name=name, deep=False), into, set_attrs=False, filter="data"
                    )
            _drain(stream, _allowed(archive))  # gzip compares its own checksum only at the end
    missing = [name for name in WANTED if name in wanted and name not in unpacked]
    if missing:
        raise DownloadError(
            f"{archive.name}: no {missing[0]} inside; expected an archive in Persona-chat's layout"
        )


def decompress(text: Path, into: Path) -> None:
    """Copy UTF-8 text from a plain, `.xz` or `.gz` file into the file `into`, chunk by chunk.

    Raises:
        DataError: the file is damaged, too large, or not UTF-8.
    """
    unpack = {".gz": _ungz, ".xz": _unxz}.get(text.suffix, _plain)
    decoder = codecs.getincrementaldecoder("utf-8")()
    done, most = 0, LARGEST_CONTENT if unpack is _plain else _allowed(text)
    try:
        with text.open("rb") as source, into.open("wb") as target:
            for chunk in unpack(source):
                done += len(chunk)
                if done > most:
                    raise DataError(f"{text.name}: over {most} bytes of text; refused")
                decoder.decode(chunk)
                target.write(chunk)
            decoder.decode(b"", final=True)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{text.name}: damaged or not {text.suffix}: {one_line(error)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{text.name}: not UTF-8 text ({error.reason})") from error


def _plain(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK):
        yield chunk


def _ungz(source: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=source) as stream:
        yield from _plain(stream)  # type: ignore[arg-type]  # it reads as a file does


def _unxz(source: BinaryIO) -> Iterator[bytes]:
    """Yield the content of an .xz file's streams; `lzma.open` would give each gigabytes at once."""
    packed = source.read(_CHUNK)
    while True:
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        while not stream.eof:
            yield stream.decompress(packed, _CHUNK)
            packed = source.read(_CHUNK) if stream.needs_input else b""
            if stream.needs_input and not packed:
                raise EOFError("it ends within a stream")
        packed = stream.unused_data.lstrip(b"\0")  # streams may be padded
        while not packed:
            if not (packed := source.read(_CHUNK)):
                return
            packed = packed.lstrip(b"\0")


def _allowed(packed: Path) -> int:
    """Return how many bytes a compressed file may expand to."""
    return min(LARGEST_CONTENT, max(ALWAYS_ALLOWED, HIGHEST_RATIO * packed.stat().st_size))


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except tarfile.FilterError as error:
        raise DownloadError(f"{archive.name}: unsafe member refused: {one_line(error)}") from error
    except (
        EOFError,
        gzip.BadGzipFile,
        zlib.error,
        tarfile.TarError,
        ValueError,  # a number or an encoding in a header
        OverflowError,
        RecursionError,
    ) as error:
        raise DownloadError(
            f"{archive.name}: truncated, damaged or no .tgz archive ({one_line(error)}); "
            "get it again"
        ) from error


def _members(tar: tarfile.TarFile, archive: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members in order; stop with an error at the limits, before unpacking.

    `tarfile` keeps every member that it has seen, for `getmembers`; nobody asks for it here.
    """
    for number, member in enumerate(iter(tar.next, None)):
        tar.members.clear()  # type: ignore[attr-defined]
        if number >= MOST_MEMBERS or member.offset_data + member.size > LARGEST_CONTENT:
            raise DownloadError(f"{archive.name}: too many or too large members; refused")
        yield member


def _check(member: tarfile.TarInfo, archive: Path) -> None:
    shown = f"{archive.name}: {one_line(member.name)}"
    if not member.isreg() or member.issparse():
        raise DownloadError(f"{shown} is no regular file; refused")
    if member.name.startswith("/") or ".." in Path(member.name).parts:
        raise DownloadError(f"{shown} points outside; refused")
    if member.size > LARGEST_MEMBER:
        raise DownloadError(f"{shown} has {member.size} bytes; refused")


def _drain(stream: gzip.GzipFile, most: int) -> None:
    read = 0
    while chunk := stream.read(_CHUNK):
        read += len(chunk)
        if read > most:
            raise tarfile.ReadError("data without end behind the last member")
