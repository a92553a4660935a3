"""Get the corpus and the text for pre-training that `data.*` names (Section 4)."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.params import Data
from pipeline.persona.corpus import archive, http
from pipeline.persona.synthetic import corpus as synthetic


# ParlAI's own address and checksum. The scheme is plain http: the checksum is the guard.
PERSONACHAT_URL = "http://parl.ai/downloads/personachat/personachat.tgz"
PERSONACHAT_SHA256 = "507cf8641d333240654798870ea584d854ab5261071c5e3521c20d8fa41d5622"

_PRETRAIN_KINDS = "give null, synthetic or a .txt, .txt.xz or .txt.gz file"
_SOURCE_KINDS = (
    "give synthetic, personachat, a .tgz archive, a folder with the three text files, or a URL"
)


@dataclass(frozen=True)
class Origin:
    """Where data came from. It holds nothing that depends on the machine.

    `sha256` is that of the archive, of the text file as given, or of the folder's three files. It
    is null for text that is written here.
    """

    kind: str
    source: str | None
    sha256: str | None


def fetch_corpus(
    data: Data,
    into: Path,
    *,
    environ: Mapping[str, str],
    downloads: Path,
    on_progress: http.OnProgress,
) -> Origin:
    """Fill the new folder `into` with the text file of each split.

    The synthetic corpus also gets `oracle.json`, its own log-probability of every reply.

    Args:
        data: `data.source` names the corpus, `data.sha256` its checksum.
        into: the new folder.
        environ: may say where Persona-chat's archive is: `PERSONACHAT_TGZ` (a path) or
            `PERSONACHAT_URL` (a mirror). The archive's checksum must be the upstream one.
        downloads: keeps downloaded files between runs.
        on_progress: called during a download.

    Raises:
        DownloadError: a download fails, a checksum differs, or an archive is damaged or unsafe.
        DataError: the path does not exist, or the folder lacks a file.
    """
    into.mkdir()
    if data.source == "synthetic":
        _unchecked(data.sha256, "data.sha256")
        return _write_synthetic(data, into)
    if data.source == "personachat":
        return _upstream(data, into, environ, downloads, on_progress)
    if data.sha256 is not None and data.source.startswith(http.SCHEMES):
        tgz = http.fetch(data.source, downloads, sha256=data.sha256, on_progress=on_progress)
        archive.extract(tgz, into)
        return Origin("url", http.public(data.source), data.sha256)
    path = Path(data.source).expanduser()
    return _copy_folder(data, path, into) if path.is_dir() else _unpack(data, path, into)


def fetch_pretrain_text(data: Data, into: Path) -> Origin:
    """Write the text for pre-training φ to the new file `into`; an empty file for null.

    Raises:
        DownloadError: the file's checksum is not `data.pretrain_sha256`.
        DataError: the file does not exist, or is no UTF-8 text.
    """
    if data.pretrain is None or data.pretrain == "synthetic":
        _unchecked(data.pretrain_sha256, "data.pretrain_sha256")
        text = synthetic.pretrain_text(data.synthetic) if data.pretrain else ""
        into.write_text(text, encoding="utf-8", newline="")
        return Origin(data.pretrain or "none", data.pretrain, None)
    path = Path(data.pretrain).expanduser()
    if not path.is_file():
        raise DataError(f"data.pretrain: {data.pretrain}: no such file; {_PRETRAIN_KINDS}")
    sha256 = _checked(path, data.pretrain_sha256)
    archive.decompress(path, into)
    return Origin("file", path.name, sha256)


def _write_synthetic(data: Data, into: Path) -> Origin:
    corpus = synthetic.write_corpus(data.synthetic)
    for split in artifacts.SPLITS:
        artifacts.write_text(into / artifacts.raw_text(split).name, corpus.texts[split])
    artifacts.write_json(into / artifacts.RAW_ORACLE.name, corpus.oracle)
    return Origin("synthetic", "synthetic", None)


def _upstream(
    data: Data,
    into: Path,
    environ: Mapping[str, str],
    downloads: Path,
    on_progress: http.OnProgress,
) -> Origin:
    if data.sha256 not in (None, PERSONACHAT_SHA256):
        raise DataError("data.sha256: the upstream archive's is known already; set it to null")
    if given := environ.get("PERSONACHAT_TGZ"):
        tgz = Path(given).expanduser()
        if not tgz.is_file():
            raise DataError(f"PERSONACHAT_TGZ: {given}: no such file; give the archive's path")
        _checked(tgz, PERSONACHAT_SHA256)
    else:
        url = environ.get("PERSONACHAT_URL") or PERSONACHAT_URL
        tgz = http.fetch(url, downloads, sha256=PERSONACHAT_SHA256, on_progress=on_progress)
    archive.extract(tgz, into)
    return Origin("personachat", "personachat", PERSONACHAT_SHA256)


def _unpack(data: Data, path: Path, into: Path) -> Origin:
    if not path.is_file():
        raise DataError(f"data.source: {data.source}: no such file or folder; {_SOURCE_KINDS}")
    sha256 = _checked(path, data.sha256)
    archive.extract(path, into)
    return Origin("archive", path.name, sha256)


def _copy_folder(data: Data, folder: Path, into: Path) -> Origin:
    for name in archive.WANTED:
        if not (folder / name).is_file():
            raise DataError(f"data.source: {data.source}: no {name} in this folder; add it")
        shutil.copyfile(folder / name, into / name)
    return Origin("folder", folder.resolve().name, _checked(into, data.sha256))


def _checked(path: Path, expected: str | None) -> str:
    """Return the checksum of a local file or folder; verify it if one is expected."""
    if expected is None:
        return artifacts.sha256_of(path)
    http.verify(path, expected, source=path.name, advice="give the right file or checksum")
    return expected


def _unchecked(sha256: str | None, key: str) -> None:
    if sha256 is not None:
        raise DataError(
            f"{key}: this text is written here and has no checksum to compare; set it to null"
        )
