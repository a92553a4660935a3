"""What each value of `data.source` and `data.pretrain` brings, and what is refused."""

import gzip
import json
import lzma
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline import artifacts
from pipeline.errors import DataError, DownloadError
from pipeline.params import Data, People, Synthetic
from pipeline.persona.corpus import archive, source
from pipeline.persona.corpus.source import Origin
from pipeline.persona.readers.shared.files import files_of
from pipeline.progress import untold
from tests.support.archives import packed
from tests.support.file_server import serve


TEXTS = {name: f"1 your persona: i am {name}.\n".encode() for name in archive.WANTED}


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def data(**values) -> Data:
    synthetic = Synthetic(
        seed=0, people=People(train=2, valid=1, test=1), dialogues=2, pretrain_lines=20
    )
    defaults = {"source": "synthetic", "sha256": None, "pretrain": None, "pretrain_sha256": None}
    return Data(**{**defaults, **values}, synthetic=synthetic)


def corpus(tmp_path: Path, given: Data, environ: dict[str, str] | None = None) -> Origin:
    return source.fetch_corpus(
        given,
        tmp_path / "raw",
        environ=environ or {},
        downloads=tmp_path / "download",
        advance=untold,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def tgz(tmp_path) -> Path:
    return packed(TEXTS, tmp_path / "my corpus.tgz")


@pytest.fixture
def upstream(tgz, monkeypatch) -> Path:
    """The archive, as if it were the one that ParlAI publishes."""
    monkeypatch.setattr(source, "PERSONACHAT_SHA256", digest(tgz.read_bytes()))
    return tgz


def test_the_synthetic_corpus_comes_with_its_oracle(tmp_path):
    assert corpus(tmp_path, data()) == Origin("synthetic", "synthetic", None)
    written = contents(tmp_path / "raw")
    assert set(written) == {*archive.WANTED, "oracle.json"}
    assert all(written[name].startswith(b"1 your persona: ") for name in archive.WANTED)
    assert set(json.loads(written["oracle.json"])) == set(artifacts.SPLITS)


def test_an_archive_on_disk(tmp_path, tgz):
    origin = corpus(tmp_path, data(source=str(tgz)))
    assert origin == Origin("archive", "my corpus.tgz", digest(tgz.read_bytes()))
    assert contents(tmp_path / "raw") == TEXTS


def test_a_folder_on_disk(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, content in {**TEXTS, "notes.txt": b"left behind"}.items():
        (folder / name).write_bytes(content)
    origin = corpus(tmp_path, data(source=str(folder)))
    assert contents(tmp_path / "raw") == TEXTS
    assert origin == Origin("folder", "mine", artifacts.sha256_of(tmp_path / "raw"))


def test_the_given_checksum_is_compared_before_anything_is_unpacked(tmp_path, tgz):
    with pytest.raises(DownloadError) as caught:
        corpus(tmp_path, data(source=str(tgz), sha256="0" * 64))
    assert digest(tgz.read_bytes()) in str(caught.value)
    assert "0" * 64 in str(caught.value)
    assert contents(tmp_path / "raw") == {}
    assert tgz.is_file()  # the user's own file is never removed


def test_a_url(tmp_path, tgz):
    content = tgz.read_bytes()
    with serve(content) as server:
        secret = server.url.replace("//", "//user:secret@") + "?token=secret"
        origin = corpus(tmp_path, data(source=secret, sha256=digest(content)))
    assert origin == Origin("url", server.url, digest(content))
    assert contents(tmp_path / "raw") == TEXTS


@pytest.mark.parametrize("scheme", ["HTTPS", "ftp", "Http", " https", "'https", "1x", ""])
@pytest.mark.parametrize("key", ["source", "pretrain"])
def test_what_may_be_a_url_is_refused_without_its_secrets(tmp_path, scheme, key):
    given = f"{scheme}://user7:word7@host/x.tgz?token=tok7"
    read = {
        "source": lambda: corpus(tmp_path, data(source=given, sha256="0" * 64)),
        "pretrain": lambda: source.fetch_pretrain_text(data(pretrain=given), tmp_path / "text"),
    }
    with pytest.raises(DataError, match=rf"data\.{key}: .*: no ") as caught:
        read[key]()
    with pytest.raises(DataError, match="no path") as as_path:
        files_of(given)
    shown = f"{caught.value} {as_path.value}"
    assert [one for one in ("user7", "word7", "tok7") if one in shown] == []


def test_upstream_from_its_address(tmp_path, upstream, monkeypatch):
    with serve(upstream.read_bytes()) as server:
        monkeypatch.setattr(source, "PERSONACHAT_URL", server.url)
        origin = corpus(tmp_path, data(source="personachat"))
        assert len(server.requests) == 1
    assert origin == Origin("personachat", "personachat", digest(upstream.read_bytes()))
    assert contents(tmp_path / "raw") == TEXTS


def test_upstream_from_a_mirror_or_a_local_file_is_the_same_origin(tmp_path, upstream):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    expected = Origin("personachat", "personachat", digest(upstream.read_bytes()))
    with serve(upstream.read_bytes()) as server:
        url = {"PERSONACHAT_URL": server.url}
        assert corpus(tmp_path / "a", data(source="personachat"), url) == expected
    local = {"PERSONACHAT_TGZ": str(upstream), "PERSONACHAT_URL": "http://127.0.0.1:9/unused"}
    assert corpus(tmp_path / "b", data(source="personachat"), local) == expected
    assert contents(tmp_path / "a/raw") == contents(tmp_path / "b/raw") == TEXTS


@pytest.mark.parametrize("mirror", [True, False])
def test_another_archive_is_not_taken_for_upstream(tmp_path, tgz, mirror):
    with serve(tgz.read_bytes()) as server:
        place = {"PERSONACHAT_URL": server.url} if mirror else {"PERSONACHAT_TGZ": str(tgz)}
        with pytest.raises(DownloadError, match=f"{source.PERSONACHAT_SHA256}; .+"):
            corpus(tmp_path, data(source="personachat"), place)
    assert contents(tmp_path / "raw") == {}


@pytest.mark.parametrize(
    ("values", "environ", "match"),
    [
        (
            {"source": "no/such.tgz"},
            {},
            r"data\.source: no/such\.tgz: no such file or folder; give",
        ),
        ({"source": "."}, {}, r"\.: no file in it; give a file, a folder or a pattern"),
        ({"source": "synthetic", "sha256": "0" * 64}, {}, r"data\.sha256: .*set it to null"),
        ({"source": "personachat", "sha256": "0" * 64}, {}, r"data\.sha256: .*set it to null"),
        ({"source": "personachat"}, {"PERSONACHAT_TGZ": "no/such"}, "PERSONACHAT_TGZ: no/such"),
    ],
)
def test_what_cannot_be_is_said(tmp_path, monkeypatch, values, environ, match):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=match):
        corpus(tmp_path, data(**values), environ)


def test_no_text_for_pretraining_is_an_empty_file(tmp_path):
    assert source.fetch_pretrain_text(data(), tmp_path / "text") == Origin("none", None, None)
    assert (tmp_path / "text").read_bytes() == b""


def test_a_synthetic_text_for_pretraining(tmp_path):
    origin = source.fetch_pretrain_text(data(pretrain="synthetic"), tmp_path / "text")
    assert origin == Origin("synthetic", "synthetic", None)
    assert len((tmp_path / "text").read_text(encoding="utf-8").splitlines()) >= 20


@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)]
)
def test_a_text_for_pretraining_on_disk(tmp_path, suffix, pack):
    path = tmp_path / f"dialogue.txt{suffix}"
    path.write_bytes(pack(b"hello\n\nbye\n"))
    given = digest(path.read_bytes())
    for expected in (None, given):
        origin = source.fetch_pretrain_text(
            data(pretrain=str(path), pretrain_sha256=expected), tmp_path / "text"
        )
        assert origin == Origin("file", path.name, given)
        assert (tmp_path / "text").read_bytes() == b"hello\n\nbye\n"


def test_the_text_for_pretraining_is_verified_before_it_is_unpacked(tmp_path):
    path = tmp_path / "dialogue.txt.xz"
    path.write_bytes(b"not even xz")
    given = data(pretrain=str(path), pretrain_sha256="0" * 64)
    with pytest.raises(DownloadError, match="sha256 is"):
        source.fetch_pretrain_text(given, tmp_path / "text")
    assert not (tmp_path / "text").exists()


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"pretrain": "no/such.txt"}, r"data\.pretrain: no/such\.txt: no such file; give null"),
        ({"pretrain": None, "pretrain_sha256": "0" * 64}, r"data\.pretrain_sha256: .*null"),
        ({"pretrain": "synthetic", "pretrain_sha256": "0" * 64}, r"data\.pretrain_sha256: .*null"),
    ],
)
def test_a_text_for_pretraining_that_cannot_be_is_said(tmp_path, values, match):
    with pytest.raises(DataError, match=match):
        source.fetch_pretrain_text(data(**values), tmp_path / "text")


@pytest.mark.real_data
def test_the_real_part_of_personachat(tmp_path, real_data):
    path = real_data / "personachat/personachat_partial.tgz"
    origin = corpus(tmp_path, data(source=str(path)))
    known = "7fa3b37f5e332f1507086aadc9f02c569e90aedd14a5745a2daf4e8e0bd99230"
    assert origin == Origin("archive", "personachat_partial.tgz", known)
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "raw").iterdir()}
    assert sizes == dict(zip(archive.WANTED, (33827704, 4567709, 4533198), strict=True))
