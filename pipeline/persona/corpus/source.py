"""Which corpus and which general text `data` names, and getting their files (Section 4)."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline import artifacts
from pipeline.errors import DataError
from pipeline.params import Data
from pipeline.persona.corpus import archive, http
from pipeline.persona.synthetic import corpus as synthetic


# ParlAI's own address and checksum. The scheme is plain http: the checksum is the guard.
PERSONACHAT_URL = "http://parl.ai/downloads/personachat/personachat.tgz"
PERSONACHAT_SHA256 = "507cf8641d333240654798870ea584d854ab5261071c5e3521c20d8fa41d5622"


@dataclass(frozen=True)
class Origin:
    """Where data came from, without anything that depends on the machine.

    `sha256` is of what was found: an archive, a text file as given, a folder's three files; null
    for what is written here.
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
    on_progress: http.Progress,
) -> Origin:
    """Fill the new folder `into` with the text file of each split.

    The synthetic corpus comes with `oracle.json`, its own log-probability of every reply. The
    environment may say where the upstream archive lies: `PERSONACHAT_TGZ` (a path) or
    `PERSONACHAT_URL` (a mirror); its checksum must be the same.

    Raises:
        DownloadError: a transfer, a checksum or an archive that is not right.
        DataError: there is nothing at the path, or it lacks a file.
    """
    into.mkdir()
    if data.source == "synthetic":
        _unchecked(data.sha256, "data.sha256")
        return _write_synthetic(data, into)
    if data.source == "personachat":
        return _upstream(data, into, environ, downloads, on_progress)
    if data.sha256 is not None and data.source.startswith(http.SCHEMES):
        found = http.fetch(data.source, downloads, sha256=data.sha256, on_progress=on_progress)
        archive.extract(found, into)
        return Origin("url", _public(data.source), data.sha256)
    path = Path(data.source).expanduser()
    return _copy_folder(data, path, into) if path.is_dir() else _unpack(data, path, into)


def fetch_pretrain_text(data: Data, into: Path) -> Origin:
    """Write the general text for pre-training the base to the new file `into`; empty for null.

    Raises:
        DownloadError: the file's checksum is not `data.pretrain_sha256`.
        DataError: there is no such file, or it is no UTF-8 text.
    """
    if data.pretrain is None or data.pretrain == "synthetic":
        _unchecked(data.pretrain_sha256, "data.pretrain_sha256")
        text = synthetic.pretrain_text(data.synthetic) if data.pretrain else ""
        into.write_text(text, encoding="utf-8", newline="")
        return Origin(data.pretrain or "none", data.pretrain, None)
    path = Path(data.pretrain).expanduser()
    if not path.is_file():
        raise DataError(
            f"data.pretrain: {data.pretrain}: no such file; "
            "give null, synthetic or a .txt, .txt.xz or .txt.gz file"
        )
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
    on_progress: http.Progress,
) -> Origin:
    if data.sha256 not in (None, PERSONACHAT_SHA256):
        raise DataError("data.sha256: the upstream archive has its own; set it to null")
    if given := environ.get("PERSONACHAT_TGZ"):
        found = Path(given).expanduser()
        if not found.is_file():
            raise DataError(f"PERSONACHAT_TGZ: {given}: no such file")
        _checked(found, PERSONACHAT_SHA256)
    else:
        url = environ.get("PERSONACHAT_URL") or PERSONACHAT_URL
        found = http.fetch(url, downloads, sha256=PERSONACHAT_SHA256, on_progress=on_progress)
    archive.extract(found, into)
    return Origin("personachat", "personachat", PERSONACHAT_SHA256)


def _unpack(data: Data, path: Path, into: Path) -> Origin:
    if not path.is_file():
        raise DataError(
            f"data.source: {data.source}: no such file or folder; give synthetic, personachat, "
            "a .tgz archive, a folder with the three text files, or a URL"
        )
    sha256 = _checked(path, data.sha256)
    archive.extract(path, into)
    return Origin("archive", path.name, sha256)


def _copy_folder(data: Data, folder: Path, into: Path) -> Origin:
    for name in archive.WANTED:
        if not (folder / name).is_file():
            raise DataError(f"data.source: {data.source}: no {name} in this folder")
        shutil.copyfile(folder / name, into / name)
    return Origin("folder", folder.resolve().name, _checked(into, data.sha256))


def _checked(path: Path, expected: str | None) -> str:
    """Return the checksum of a local file or folder, compared with the expected one if any."""
    if expected is None:
        return artifacts.sha256_of(path)
    http.verify(path, expected, source=path.name, advice="give the right file or checksum")
    return expected


def _unchecked(sha256: str | None, key: str) -> None:
    if sha256 is not None:
        raise DataError(
            f"{key}: nothing to compare it with, the text is written here; set it to null"
        )


def _public(url: str) -> str:
    """Return the URL without user, password and query: it goes into the outs."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
