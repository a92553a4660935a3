"""Archives and texts that are malicious, damaged, or simply something else."""

import gzip
import io
import lzma
import os
import tarfile
from pathlib import Path
from random import Random
from zlib import crc32

import pytest

from pipeline.errors import DataError, DownloadError
from pipeline.persona.corpus import archive


TEXT = b"1 your persona: i like tea.\n2 hi\thello\t\tbye|hello\n"


def entry(name: str, content: bytes = TEXT, **attributes) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def tgz(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return path


def good() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [entry(f"personachat/{name}", TEXT + name.encode()) for name in archive.WANTED]


def extract(path: Path, into: Path) -> Path:
    into.mkdir()
    archive.extract(path, into)
    return into


def refused(path: Path, tmp_path: Path, match: str) -> None:
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DownloadError, match=match) as caught:
        extract(path, tmp_path / "into")
    assert "\n" not in str(caught.value)
    written = set(tmp_path.rglob("*")) - before - {tmp_path / "into"}
    assert {file.parent for file in written} <= {tmp_path / "into"}
    assert {file.name for file in written} <= set(archive.WANTED)


def test_the_three_files_and_nothing_else_come_out(tmp_path):
    others = [entry("personachat/train_both_revised.txt"), entry("../../escaped.txt")]
    path = tgz(tmp_path / "a.tgz", *others, *good(), entry("README"))
    into = extract(path, tmp_path / "into")
    assert {f.name: f.read_bytes() for f in into.iterdir()} == {
        name: TEXT + name.encode() for name in archive.WANTED
    }
    assert not (tmp_path.parent / "escaped.txt").exists()


def test_modes_and_owners_are_not_taken_over(tmp_path):
    entries = [entry(f"p/{name}", mode=0o6777, uid=12345, mtime=1) for name in archive.WANTED]
    for file in extract(tgz(tmp_path / "a.tgz", *entries), tmp_path / "into").iterdir():
        assert file.stat().st_mode & 0o7111 == 0
        assert file.stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (entry("../train_self_original.txt"), "points outside"),
        (entry("personachat/../../train_self_original.txt"), "points outside"),
        (entry("/tmp/train_self_original.txt"), "points outside"),
        (
            entry("train_self_original.txt", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
            "no regular file",
        ),
        (
            entry("train_self_original.txt", b"", type=tarfile.LNKTYPE, linkname="README"),
            "no regular file",
        ),
        (
            entry("train_self_original.txt", b"", type=tarfile.CHRTYPE, devmajor=1),
            "no regular file",
        ),
        (entry("train_self_original.txt", b"", type=tarfile.FIFOTYPE), "no regular file"),
        (entry("train_self_original.txt", b"", type=tarfile.DIRTYPE), "no regular file"),
        (entry("elsewhere/valid_self_original.txt"), "holds .* twice"),
    ],
)
def test_unsafe_members_are_refused(tmp_path, bad, match):
    path = tgz(tmp_path / "a.tgz", entry("README"), *good()[1:], bad)
    refused(path, tmp_path, match)


def test_a_link_of_a_wanted_name_does_not_redirect_a_later_file(tmp_path):
    link = entry(archive.WANTED[0], b"", type=tarfile.SYMTYPE, linkname=str(tmp_path / "victim"))
    refused(tgz(tmp_path / "a.tgz", link, *good()), tmp_path, "no regular file")
    assert not (tmp_path / "victim").exists()


def test_sizes_are_limited(tmp_path, monkeypatch):
    path = tgz(tmp_path / "a.tgz", entry("padding", bytes(5000)), *good())
    monkeypatch.setattr(archive, "LARGEST_CONTENT", 5000)
    refused(path, tmp_path, "too many or too large")
    monkeypatch.undo()
    monkeypatch.setattr(archive, "MOST_MEMBERS", 2)
    (tmp_path / "into").rmdir()
    path = tgz(tmp_path / "b.tgz", entry("a"), entry("b"), *good())
    refused(path, tmp_path, "too many or too large")
    monkeypatch.undo()
    monkeypatch.setattr(archive, "LARGEST_MEMBER", 10)
    (tmp_path / "into").rmdir()
    refused(path, tmp_path, "bytes; refused")


def test_an_archive_without_one_of_the_files_is_refused(tmp_path):
    path = tgz(tmp_path / "a.tgz", *good()[:2])
    refused(path, tmp_path, r"a\.tgz: no test_self_original\.txt inside")


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.3, 0.7, 0.95, 0.999])
def test_a_truncated_archive_is_refused(tmp_path, kept):
    noise = [entry(f"p/{name}", Random("archive").randbytes(20_000)) for name in archive.WANTED]
    whole = tgz(tmp_path / "a.tgz", *noise).read_bytes()
    (tmp_path / "a.tgz").write_bytes(whole[: int(kept * len(whole))])
    refused(tmp_path / "a.tgz", tmp_path, "a.tgz: (truncated|no train_self_original)")


def test_a_single_changed_bit_is_noticed(tmp_path):
    noise = [entry(f"p/{name}", Random("archive").randbytes(20_000)) for name in archive.WANTED]
    path = tgz(tmp_path / "a.tgz", *noise)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    refused(path, tmp_path, "truncated, damaged")


@pytest.mark.parametrize(
    "content",
    [b"<html>Not found</html>", gzip.compress(b"no tar" * 500, mtime=0)],
    ids=["page", "gzip"],
)
def test_something_else_is_refused(tmp_path, content):
    (tmp_path / "a.tgz").write_bytes(content)
    refused(tmp_path / "a.tgz", tmp_path, "truncated, damaged or no .tgz archive")


def several(text: bytes) -> bytes:
    """Compress a text to two streams with padding between and behind, as `xz` allows it."""
    return lzma.compress(text[:99]) + bytes(16) + lzma.compress(text[99:]) + bytes(4)


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".xz", several)],
)
def test_texts_come_out_byte_for_byte(tmp_path, suffix, pack, monkeypatch):
    monkeypatch.setattr(archive, "_CHUNK", 7)  # cuts through characters of several bytes
    text = "one\r\ntwo é φ 🙂\n\n".encode() * 100
    source = tmp_path / f"text.txt{suffix}"
    source.write_bytes(pack(text))
    archive.decompress(source, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == text


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_damaged_texts_are_refused(tmp_path, suffix, pack):
    source = tmp_path / f"text.txt{suffix}"
    for content in (pack(Random("archive").randbytes(5000).hex().encode())[:-30], b"plain text"):
        source.write_bytes(content)
        with pytest.raises(DataError, match=f"damaged or not {suffix}"):
            archive.decompress(source, tmp_path / "out")


def test_an_xz_that_asks_for_gigabytes_is_refused(tmp_path):
    """A few bytes of the older format did so, too; of this one the dictionary's size is edited."""
    packed = bytearray(lzma.compress(TEXT))
    header = slice(12, 12 + (packed[12] + 1) * 4)  # behind the stream's header: the block's
    packed[header.start + 4] = 40  # 4 GiB
    packed[header.stop - 4 : header.stop] = crc32(packed[header][:-4]).to_bytes(4, "little")
    alone = lzma.compress(TEXT, lzma.FORMAT_ALONE)
    for content, said in ((packed, "[Mm]emory usage limit"), (alone, "format not supported")):
        (tmp_path / "text.xz").write_bytes(content)
        with pytest.raises(DataError, match=rf"text\.xz: damaged or not \.xz: .*{said}"):
            archive.decompress(tmp_path / "text.xz", tmp_path / "out")


@pytest.mark.parametrize("content", [b"\xff\xfe", "é".encode()[:1]])
def test_texts_in_another_encoding_are_refused(tmp_path, content):
    (tmp_path / "text.txt").write_bytes(b"fine\n" + content)
    with pytest.raises(DataError, match="not UTF-8"):
        archive.decompress(tmp_path / "text.txt", tmp_path / "out")


def test_texts_are_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_CONTENT", 100)
    (tmp_path / "text.txt.xz").write_bytes(lzma.compress(bytes(101)))
    with pytest.raises(DataError, match="over 100 bytes"):
        archive.decompress(tmp_path / "text.txt.xz", tmp_path / "out")


@pytest.mark.parametrize("wanted", [["valid_self_original.txt"], ["train_self_original.txt"]])
def test_only_what_is_read_must_be_there(wanted, tmp_path):
    """ConvAI2's archive has no test file."""
    for name in ("train_self_original.txt", "valid_self_original.txt"):
        (tmp_path / name).write_text("1 a\n")
    with tarfile.open(tmp_path / "convai2.tgz", "w:gz") as tar:
        for name in ("train_self_original.txt", "valid_self_original.txt"):
            tar.add(tmp_path / name, f"data/{name}")
    (tmp_path / "into").mkdir()
    archive.extract(tmp_path / "convai2.tgz", tmp_path / "into", wanted)
    assert [path.name for path in (tmp_path / "into").iterdir()] == wanted
