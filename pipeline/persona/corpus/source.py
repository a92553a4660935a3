"""Get the corpus and the text for pre-training that `data.*` names (Section 4)."""

import json
import logging
import shutil
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path

from pipeline import artifacts
from pipeline.errors import DataError, DownloadError, one_line, public, public_text
from pipeline.params import Data
from pipeline.params.inputs import place_of
from pipeline.persona.corpus import archive, http, own
from pipeline.persona.readers.shared.files import refuse_link_out, text_of
from pipeline.persona.synthetic import corpus as synthetic
from pipeline.persona.synthetic.spool import Spool
from pipeline.persona.task.record import Split
from pipeline.progress import Advance, counted


# ParlAI's own address and checksum. The scheme is plain http: the checksum is the guard.
PERSONACHAT_URL = "http://parl.ai/downloads/personachat/personachat.tgz"
PERSONACHAT_SHA256 = "507cf8641d333240654798870ea584d854ab5261071c5e3521c20d8fa41d5622"

_PRETRAIN_KINDS = "give null, synthetic or a .txt, .txt.xz or .txt.gz file"
_SOURCE_KINDS = (
    "give synthetic, personachat, a .tgz archive, a URL, or a file or folder with conversations "
    "(docs/corpora.md)"
)
_RIGHT_ONE = "give the right file or checksum"
_GZIP = b"\x1f\x8b"
_LOG = logging.getLogger(__name__)  # the shell shows it as a note


@dataclass(frozen=True)
class Origin:
    """Where data came from. It holds nothing that depends on the machine.

    `sha256` is that of the archive, of the text file as given, or of the folder's files. It is null
    for text that is written here.
    """

    kind: str
    source: str | None
    sha256: str | None


@dataclass(frozen=True)
class OwnOrigin(Origin):
    """Where conversations came from that are not Persona-chat's text, and what was read of them."""

    format: str
    splits: dict[Split, dict[str, int]]
    left_out: dict[str, int]


def fetch_corpus(
    data: Data,
    into: Path,
    *,
    environ: Mapping[str, str],
    downloads: Path,
    advance: Advance,
) -> Origin:
    """Fill the new folder `into` with a file for each split.

    Persona-chat's text stays as it is. Any other corpus becomes JSON Lines of conversations. The
    synthetic corpus also gets `oracle.json`, its own log-probability of every reply.

    Args:
        data: `data.source` names the corpus, `data.sha256` its checksum.
        into: the new folder.
        environ: may say where Persona-chat's archive is: `PERSONACHAT_TGZ` (a path) or
            `PERSONACHAT_URL` (a mirror). The archive's checksum must be the upstream one.
        downloads: keeps downloaded files between runs.
        advance: told of dialogues as they are read, and of bytes that are downloaded.

    Raises:
        DownloadError: a download fails, a checksum differs, or an archive is damaged or unsafe.
        DataError: the path does not exist, or its conversations cannot be read or split.
    """
    into.mkdir()
    if data.source == "synthetic":
        _unchecked(data.sha256, "data.sha256")
        return _write_synthetic(data, into, advance)
    if data.source == "personachat":
        return _upstream(data, into, environ, downloads, _of_bytes(advance))
    if data.sha256 is not None and data.source.startswith(http.SCHEMES):
        told = _of_bytes(advance)
        file = http.fetch(data.source, downloads, sha256=data.sha256, on_progress=told)
        shown = public(data.source)
        if not _is_packed(file):
            return _read_own(data, (str(file), shown), data.sha256, into, advance)
        archive.extract(file, into)
        return Origin("url", shown, data.sha256)
    if "://" in data.source:
        raise _absent(
            "data.source",
            data.source,
            "no URL that can be fetched; it must begin with http:// or https://, in small letters",
        )
    return _local(data, into, advance)


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
    path = place_of(data.pretrain, "data.pretrain")
    if not path.is_file():
        raise _absent("data.pretrain", data.pretrain, f"no such file; {_PRETRAIN_KINDS}")
    sha256 = _checked(path, data.pretrain_sha256)
    archive.decompress(path, into)
    return Origin("file", text_of(path.name), sha256)


def _write_synthetic(data: Data, into: Path, advance: Advance) -> Origin:
    with ExitStack() as stack:
        nats = {split: stack.enter_context(closing(Spool(into))) for split in artifacts.SPLITS}
        for split, dialogues in synthetic.corpus_of(data.synthetic, into).items():
            with (into / artifacts.raw_text(split).name).open(
                "w", encoding="utf-8", newline=""
            ) as file:
                for text, of_replies in counted(dialogues, advance, split):
                    file.write(text)
                    nats[split].add(json.dumps(of_replies))
        with (into / artifacts.RAW_ORACLE.name).open("w", encoding="utf-8", newline="") as file:
            file.writelines(synthetic.oracle_json(nats))
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
        tgz = place_of(given, "PERSONACHAT_TGZ")
        if not tgz.is_file():
            raise _absent("PERSONACHAT_TGZ", given, "no such file; give the archive's path")
        _checked(tgz, PERSONACHAT_SHA256)
    else:
        url = environ.get("PERSONACHAT_URL") or PERSONACHAT_URL
        tgz = http.fetch(url, downloads, sha256=PERSONACHAT_SHA256, on_progress=on_progress)
    archive.extract(tgz, into)
    return Origin("personachat", "personachat", PERSONACHAT_SHA256)


def _local(data: Data, into: Path, advance: Advance) -> Origin:
    """Fill `into` from a path: Persona-chat's text, in a folder or archive, or conversations."""
    path = place_of(data.source, "data.source")
    if all((path / name).is_file() for name in archive.WANTED):
        return _copy_folder(data, path, into)
    if path.is_file() and (path.suffix == ".tgz" or _is_packed(path)):
        return _unpack(data, path, into)
    if not path.exists() and not has_magic(data.source):
        raise _absent("data.source", data.source, f"no such file or folder; {_SOURCE_KINDS}")
    sha256 = own.digest(data.source)
    if data.sha256 not in (None, sha256):
        raise DownloadError(
            f"{path.name}: sha256 is {sha256}, expected {data.sha256}; {_RIGHT_ONE}"
        )
    name = text_of(path.resolve().name if path.exists() else path.name)
    return _read_own(data, (data.source, name), sha256, into, advance)


def _read_own(
    data: Data, given: tuple[str, str], sha256: str | None, into: Path, advance: Advance
) -> OwnOrigin:
    """Read conversations of another format than Persona-chat's text; note what was left out.

    `given` is the path and how it is named.
    """
    path, name = given
    survey = own.write_splits(path, data, into, advance)
    for note in survey.tally.notes:
        _LOG.warning(note)
    if survey.left_out:
        parts = "; ".join(f"{number} {what}" for what, number in survey.left_out.items())
        _LOG.warning(f"left out: {parts} (`python -m stages.corpus` says where)")
    return OwnOrigin("own", name, sha256, survey.format, survey.counts(), survey.left_out)


def _of_bytes(advance: Advance) -> http.OnProgress:
    def told(done: int, total: int | None) -> None:
        size = f" of {total / 1e6:.0f}" if total else ""
        advance(0, f"{done / 1e6:.0f}{size} MB")

    return told


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _unpack(data: Data, path: Path, into: Path) -> Origin:
    sha256 = _checked(path, data.sha256)
    archive.extract(path, into)
    return Origin("archive", text_of(path.name), sha256)


def _copy_folder(data: Data, folder: Path, into: Path) -> Origin:
    for name in archive.WANTED:
        shutil.copyfile(refuse_link_out(folder / name, folder), into / name)
    return Origin("folder", text_of(folder.resolve().name), _checked(into, data.sha256))


def _absent(name: str, given: str, what: str) -> DataError:
    return DataError(f"{name}: {one_line(public_text(given))}: {what}")


def _checked(path: Path, expected: str | None) -> str:
    """Return the checksum of a local file or folder; verify it if one is expected."""
    if expected is None:
        return artifacts.sha256_of(path)
    http.verify(path, expected, source=path.name, advice=_RIGHT_ONE)
    return expected


def _unchecked(sha256: str | None, key: str) -> None:
    if sha256 is not None:
        raise DataError(
            f"{key}: this text is written here and has no checksum to compare; set it to null"
        )
