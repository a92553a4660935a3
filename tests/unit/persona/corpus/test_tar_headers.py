"""Headers that cost memory or time are refused from the blocks alone, before tarfile reads them."""

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from pipeline.errors import DownloadError
from pipeline.persona.corpus import archive
from tests.unit.persona.corpus.test_archive import entry, extract, good, refused, tgz


def header(kind: bytes, size: int, name: str = "x", declared: bytes | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    if declared is not None:
        block[124:136] = declared.ljust(12, b"\0")
        block[148:156] = b" " * 8
        block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def packed(path: Path, *parts: bytes) -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for part in parts:
            file.write(part)
        file.write(bytes(1024))
    return path


def members() -> bytes:
    return b"".join(header(b"0", len(c), i.name) + padded(c) for i, c in good())


@pytest.mark.parametrize("kind", [b"x", b"g", b"X", b"L", b"K"])
def test_an_extension_header_of_any_size_takes_no_memory(tmp_path, kind):
    size = 50 << 20
    path = packed(tmp_path / "a.tgz", header(kind, size), bytes(size), members())
    tracemalloc.start()
    try:
        refused(path, tmp_path, f"extension headers in a row, the last of {size} bytes")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [b"x", b"L"])
def test_a_chain_of_extension_headers_is_one_line(tmp_path, kind):
    """3,000 of them were a RecursionError."""
    content = b"15 path=aaaaaa\n" if kind == b"x" else b"a/b\0"
    chain = (header(kind, len(content)) + padded(content)) * 3000
    path = packed(tmp_path / "a.tgz", chain, members())
    refused(path, tmp_path, "9 extension headers in a row")


@pytest.mark.parametrize(
    "size", [b"-1", b"\xff" * 12, b"9" * 12, b"\x80" + b"\xff" * 11, b"7" * 11]
)
def test_impossible_sizes_are_one_line(tmp_path, size):
    path = packed(tmp_path / "a.tgz", header(b"0", 0, declared=size), members())
    refused(path, tmp_path, r"a\.tgz: ")


def test_sparse_members_are_refused(tmp_path):
    """GNU's own type, and the three ways of pax."""
    refused(packed(tmp_path / "a.tgz", header(b"S", 0), members()), tmp_path, "sparse")
    for line in (b"GNU.sparse.map=0,1", b"GNU.sparse.major=1", b"GNU.sparse.size=1073741824"):
        content = b" " + line + b"\n"
        content = str(len(content) + 2).encode() + content
        path = packed(tmp_path / "a.tgz", header(b"x", len(content)) + padded(content), members())
        (tmp_path / "into").rmdir()
        refused(path, tmp_path, "sparse")


def test_a_size_in_an_extension_header_is_refused(tmp_path):
    """Else the walk and tarfile would not look at the same blocks."""
    content = b"14 size=100000\n"
    path = packed(tmp_path / "a.tgz", header(b"x", len(content)) + padded(content), members())
    refused(path, tmp_path, "a size in an extension header")


def test_a_folder_that_hides_headers_in_its_content_is_refused(tmp_path):
    hidden = header(b"x", 1 << 40)
    path = packed(tmp_path / "a.tgz", header(b"\0", 512, "folder/") + hidden, members())
    refused(path, tmp_path, "a folder with content")


def test_a_bomb_is_refused_by_its_ratio(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "ALWAYS_ALLOWED", 1 << 20)
    bomb = tgz(tmp_path / "a.tgz", entry("zeros", bytes(40 << 20)), *good())
    began = perf_counter()
    refused(bomb, tmp_path, "too many or too large")
    assert perf_counter() - began < 5
    behind = tmp_path / "b.tgz"
    with gzip.open(behind, "wb") as file:
        file.write(members() + bytes(1024) + bytes(40 << 20))
    (tmp_path / "into").rmdir()
    refused(behind, tmp_path, "without end")


def test_hostile_names_are_shown_on_one_line(tmp_path):
    name = "\x1b[31m\r\n" + "a" * 5000 + "/train_self_original.txt"
    path = tgz(tmp_path / "a.tgz", entry(name, b"", type=tarfile.SYMTYPE, linkname="x"))
    with pytest.raises(DownloadError, match="no regular file") as caught:
        extract(path, tmp_path / "into")
    message = str(caught.value)
    assert message.isprintable()
    assert "\\x1b[31m\\r\\n" in message
    assert len(message) < 400


def test_long_names_and_pax_headers_of_honest_archives_are_read(tmp_path):
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        with tarfile.open(tmp_path / "a.tgz", "w:gz", format=form) as tar:
            for info, content in good():
                info.name = f"{'é' * 150}/{info.name}"
                tar.addfile(info, io.BytesIO(content))
        assert len(list(extract(tmp_path / "a.tgz", tmp_path / str(form)).iterdir())) == 3


def pax(keywords: int, start: int = 0) -> bytes:
    """A header's content: short keywords without values."""
    lines = (f"{number:07x}=\n" for number in range(start, start + keywords))
    return b"".join(f"{len(line) + 3} {line}".encode() for line in lines)


def test_global_headers_are_bounded_together(tmp_path):
    """`tarfile` copies their keywords into each member: 122 kB took 8 GB."""
    one = pax(100)
    whole = header(b"g", len(one)) + padded(one) + header(b"0", 0)
    refused(packed(tmp_path / "a.tgz", whole * 4, members()), tmp_path, "global headers of 4800")


def test_extension_headers_are_bounded_together(tmp_path):
    one = pax(5000)
    whole = header(b"x", len(one)) + padded(one) + header(b"0", 0)
    path = packed(tmp_path / "a.tgz", *[whole] * 300, members())
    refused(path, tmp_path, r"extension headers of \d+ bytes in all")


@pytest.mark.parametrize("kind", [b"x", b"g", b"L"])
def test_members_that_were_passed_are_not_kept(tmp_path, kind):
    """Each holds its own copy of what its headers say."""
    content = pax(300) if kind != b"L" else b"a" * 20000
    whole = header(kind, len(content)) + padded(content) + header(b"0", 0)
    repeated = [whole] + [header(b"0", 0) if kind == b"g" else whole] * 200
    path = packed(tmp_path / "a.tgz", *repeated, members())
    tracemalloc.start()
    try:
        assert len(list(extract(path, tmp_path / "into").iterdir())) == 3
        assert tracemalloc.get_traced_memory()[1] < 2 << 20  # 1 MiB is read at once
    finally:
        tracemalloc.stop()


def test_a_commits_name_in_a_global_header_is_read(tmp_path):
    """As `git archive` writes it."""
    comment = b"52 comment=" + b"0" * 40 + b"\n"
    path = packed(tmp_path / "a.tgz", header(b"g", 52) + padded(comment), members())
    assert len(list(extract(path, tmp_path / "into").iterdir())) == 3


def what_is_said(path: Path, into: Path) -> str:
    try:
        extract(path, into)
    except DownloadError as error:
        return str(error)
    return ""


WHOLE = members() + bytes(1024)


@seed(0)
@settings(max_examples=150, deadline=None, database=None)
@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=8),
    st.binary(max_size=600),
)
@example([], b"")
def test_changed_headers_are_read_or_refused_in_one_line(tmp_path_factory, changes, prefix):
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place % 512 + (place // 512 * 512)] = value
    folder = tmp_path_factory.mktemp("fuzz")
    path = packed(folder / "a.tgz", prefix, bytes(content))
    assert what_is_said(path, folder / "into").isprintable()
    assert {file.name for file in (folder / "into").iterdir()} <= set(archive.WANTED)
