"""Walk a tar file's 512-byte headers before `tarfile` does, which reads extension headers whole.

An extension header (pax, or GNU's long names) belongs to the member behind it. Its declared size is
what `tarfile` takes into memory, and it calls itself once for each that follows another. A global
one belongs to all members behind it, and `tarfile` copies its keywords into each. Sparse members
declare more bytes than the archive holds.
"""

import tarfile
from collections import Counter
from gzip import GzipFile

from pipeline.errors import DownloadError, one_line


LARGEST_HEADER = 64 << 10  # bytes of one extension header: a path and some keywords
LARGEST_GLOBAL = 4 << 10  # bytes of all global headers; git writes 52, the commit's name
LARGEST_HEADERS = 16 << 20  # bytes of all extension headers; 10,000 long paths take 10 MB
MOST_CHAINED = 8  # extension headers of one member
_EXTENSIONS = b"xgXLK"  # pax: of a member, of all; Solaris's; GNU's long name, long link name
_GLOBAL = b"g"
_SPARSE = b"S"
_ZERO = bytes(tarfile.BLOCKSIZE)
_CHUNK = 1 << 20


def refuse_costly_headers(stream: GzipFile, name: str, *, members: int, content: int) -> None:
    """Read the headers alone, and the extension headers' content; skip the members' content.

    Args:
        stream: the tar file, not compressed, from its start.
        name: of the archive, for the message.
        members: how many headers it may have.
        content: how many bytes it may have.

    Raises:
        DownloadError: an extension header is too large or one of too many, all of them together are
            too large, a member is sparse, or the archive is over a limit.
        tarfile.TarError: a header cannot be read.
    """
    position = number = chained = 0
    extensions = Counter[bytes]()  # bytes by type
    while (header := stream.read(tarfile.BLOCKSIZE)) and header != _ZERO:
        if len(header) < tarfile.BLOCKSIZE:
            raise tarfile.ReadError("truncated header")
        kind, size = _kind_and_size(header)
        number += 1
        position += tarfile.BLOCKSIZE + size
        if number > members or position > content:
            raise DownloadError(f"{name}: too many or too large members; refused")
        chained = chained + 1 if kind in _EXTENSIONS else 0
        if kind == _SPARSE:
            raise DownloadError(f"{name}: a sparse member; refused, pack it without holes")
        if chained and (size > LARGEST_HEADER or chained > MOST_CHAINED):
            raise DownloadError(
                f"{name}: {chained} extension headers in a row, the last of {size} bytes; at most "
                f"{MOST_CHAINED} of {LARGEST_HEADER} bytes are read"
            )
        if chained:
            extensions[kind] += size
            _refuse_large_sums(extensions, name)
        _pass_over(stream, size, name, searched=bool(chained))


def _refuse_large_sums(extensions: Counter[bytes], name: str) -> None:
    """Refuse extension headers that are small one by one and large together."""
    for what, size, most in (
        ("global headers", extensions[_GLOBAL], LARGEST_GLOBAL),
        ("extension headers", extensions.total(), LARGEST_HEADERS),
    ):
        if size > most:
            raise DownloadError(
                f"{name}: {what} of {size} bytes in all; at most {most} are read, pack the three "
                "files without them"
            )


def _kind_and_size(header: bytes) -> tuple[bytes, int]:
    """Return a header's type, one byte, and its content's size, once its checksum is right."""
    if tarfile.nti(header[148:156]) not in tarfile.calc_chksums(header):  # type: ignore[attr-defined]
        raise tarfile.ReadError("bad checksum of a header")
    size = tarfile.nti(header[124:136])  # type: ignore[attr-defined]
    if size < 0:
        raise tarfile.ReadError(f"negative size {one_line(size)}")
    kind = header[156:157]
    if kind == b"\0" and size and header[:100].partition(b"\0")[0].endswith(b"/"):
        raise tarfile.ReadError("a folder with content")  # versions of tarfile read it differently
    holds = kind in b"0\0" + b"7" + _SPARSE + _EXTENSIONS or kind not in b"123456"
    return kind, size if holds else 0


def _pass_over(stream: GzipFile, size: int, name: str, *, searched: bool) -> None:
    """Skip a member's content; refuse a pax header that declares another size or holes."""
    left = -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
    if searched:
        content = stream.read(left)
        if b"GNU.sparse." in content:
            raise DownloadError(f"{name}: a sparse member; refused, pack it without holes")
        if b" size=" in content:
            raise DownloadError(f"{name}: a size in an extension header; refused")
        return
    while left:
        chunk = stream.read(min(left, _CHUNK))
        if not chunk:
            raise tarfile.ReadError("unexpected end of data")
        left -= len(chunk)
