"""What a stranger's corpus, server, parameters or environment may hold."""

import gzip
import io
import json
import os
import socket
import ssl
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from threading import Thread
from unittest.mock import patch

import httpx

from pipeline import artifacts
from pipeline.errors import PipelineError, public
from pipeline.params import Settings
from pipeline.params.settings import settings_of
from pipeline.params.views import AllParams
from pipeline.persona.corpus import answer, archive, http
from pipeline.persona.corpus.source import fetch_corpus
from pipeline.persona.tasks.build import build_tasks
from pipeline.persona.tasks.parser import DialogueFile
from pipeline.processes import cores
from pipeline.progress import untold
from tests.faults.fuzz.target import Target
from tests.wiring.closure import ROOT


RAW, TAR = b"\0", b"\1"  # the first byte: the rest is the file as it is, or a tar to be packed
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
TEXT = (
    b"1 your persona: i like dogs .\n2 your persona: i am a nurse .\n3 hi , you ?\tfine .\n"
    b"1 your persona: i like dogs .\n2 __SILENCE__\thello there .\t\t"
    + b"|".join(b"candidate %d" % number for number in range(19))
    + b"|hello there .\n"
)


def a_tar(format: int = tarfile.PAX_FORMAT, folder: str = "personachat") -> bytes:
    """A corpus, three small texts."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as tar:
        for name in archive.WANTED:
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(TEXT)
            tar.addfile(info, io.BytesIO(TEXT))
    return out.getvalue()


def _archives() -> Sequence[bytes]:
    tars = [a_tar(form, folder) for form in FORMATS for folder in ("personachat", "é" * 40)]
    return [TAR + tar for tar in tars] + [RAW + gzip.compress(tars[0], mtime=0)]


def _unpack(content: bytes, place: Path) -> None:
    packed = content[1:] if content[:1] == RAW else gzip.compress(content[1:], 1, mtime=0)
    into = place / "into"
    into.mkdir()
    (place / "a.tgz").write_bytes(packed)
    archive.extract(place / "a.tgz", into)
    assert sorted(path.name for path in into.iterdir()) == sorted(archive.WANTED)
    assert all(path.is_file() and not path.is_symlink() for path in into.iterdir())
    assert sorted(path.name for path in place.iterdir()) == ["a.tgz", "into"]


def _decompress(content: bytes, place: Path) -> None:
    suffix = (".gz", ".xz", "")[content[0] % 3] if content else ""
    given = place / f"a.txt{suffix}"
    given.write_bytes(content[1:])
    archive.decompress(given, place / "text")
    (place / "text").read_text(encoding="utf-8")


def _texts() -> Sequence[bytes]:
    import lzma

    text = b"one line .\n\nanother document .\n"
    return [b"\0" + gzip.compress(text, mtime=0), b"\1" + lzma.compress(text), b"\2" + text]


@cache
def _embedded() -> AllParams:
    return Settings.load(ROOT / "presets/embedded.yaml").check()


def _corpus(content: bytes, place: Path) -> None:
    path = place / "train_self_original.txt"
    path.write_bytes(content)
    dialogues = DialogueFile(path)
    for task in build_tasks(dialogues, "train", _embedded().tasks):
        assert artifacts.parse_record(task.model_dump_json().encode(), type(task), "x") == task


def _params(content: bytes, place: Path) -> None:
    (place / "params.yaml").write_bytes(content)
    settings = Settings.load(place / "params.yaml")
    settings.check()


def _presets() -> Sequence[bytes]:
    whole = (ROOT / "presets/embedded.yaml").read_text(encoding="utf-8")
    bare = "\n".join(line.split("  #")[0].rstrip() for line in whole.splitlines())
    settings_of(bare, "params.yaml").check()
    return [bare.encode(), b"seeds: [0]\nouter_lr: 1e-3\n", b"a: &a [1, *a]\n", b"a: !!int '1'\n"]


BODY = gzip.compress(a_tar(tarfile.USTAR_FORMAT), mtime=0)
NEXT = b"\n--next--\n"  # between the answers to one request after the other


def _answers() -> Sequence[bytes]:
    size = len(BODY)
    whole = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nETag: "a"\r\n\r\n' % size + BODY
    part = b"HTTP/1.1 206 P\r\nContent-Range: bytes 100-%d/%d\r\n\r\n" % (size - 1, size)
    return [
        whole,
        whole[:-300] + NEXT + whole,
        whole[: -size + 100] + NEXT + part + BODY[100:],
        b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" + NEXT + whole,
        b"HTTP/1.1 302 Found\r\nLocation: /b.tgz\r\nContent-Length: 0\r\n\r\n" + NEXT + whole,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 429 Wait\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
        b"Retry-After: Mon, 01 Jan 2024 00:00:09 GMT\r\n\r\n",
    ]


@cache
def _server() -> tuple[str, list[bytes]]:
    """Start a server for all inputs; return its URL, and the list that it takes answers from."""
    answers: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])

    Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/a.tgz", answers


def _download(content: bytes, place: Path) -> None:
    url, answers = _server()
    answers[:] = content.split(NEXT)
    right = sha256(BODY).hexdigest()
    with _impatient():
        path = http.fetch(url, place, sha256=right, on_progress=_ignore, first_wait=0)
    assert path.read_bytes() == BODY


def _ignore(done: int, total: int | None) -> None:
    pass


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reading the certificates takes longer than all else


@contextmanager
def _impatient() -> Iterator[None]:
    """Wait for nothing that a server asks for, and not long for the server."""
    with (
        patch.object(httpx, "Client", partial(httpx.Client, verify=_context())),
        patch("tenacity.nap.time.sleep", lambda seconds: None),
        patch.object(http, "ATTEMPTS", 3),
        patch.object(answer, "TIMEOUT", httpx.Timeout(1.0)),
        patch.dict(os.environ, {"NO_PROXY": "127.0.0.1"}),
    ):
        yield


VARIABLES = (
    "MAMLVIAPP_WORKERS",
    "MAMLVIAPP_TASKS_AT_ONCE",
    "MAMLVIAPP_RECOMPUTE",
    "MAMLVIAPP_LAUNCHER",
    "PERSONACHAT_TGZ",
    "PERSONACHAT_URL",
)


def _environment(content: bytes, place: Path) -> None:
    """Set one variable; the first byte says which."""
    name = VARIABLES[content[0] % len(VARIABLES)] if content else VARIABLES[0]
    value = os.fsdecode(content[1:].replace(b"\0", b""))
    with patch.dict(os.environ, {name: value}), patch.object(http, "fetch", _refuse_url):
        if name == "MAMLVIAPP_LAUNCHER":
            _launch(value)
        elif name.startswith("MAMLVIAPP_"):
            assert (cores.count_from_environment(name) or 1) >= 1
        else:
            fetch_corpus(
                _embedded().data.model_copy(update={"source": "personachat"}),
                place / "raw",
                environ={name: value},
                downloads=place,
                advance=untold,
            )


def _launch(value: str) -> None:
    from stages.shell import launch

    if value:
        absent = patch.object(launch.subprocess, "Popen", side_effect=OSError(2, "no such file"))
        with absent, patch.object(launch, "_module", lambda: "stages.finetune"):
            launch._elsewhere(value)


def _refuse_url(url: str, *_: object, **__: object) -> Path:
    raise PipelineError(f"{public(url)}: refused")


def _settings() -> Sequence[bytes]:
    values = (b"4", b"4", b"1", b"srun -n 2 'a b'", b"~/a.tgz", b"http://u:p@host:80/a?b#c")
    return [bytes([number]) + value for number, value in enumerate(values)]


_HEADERS = (b"\r\n", b"Content-Length: ", b"Content-Range: bytes ", b"Retry-After: ", NEXT)
_HEADERS += (b"Location: ", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.1 ", b"206 ", b"416 ")
_YAML = (b"*a", b"&a ", b"!!int ", b"1e999", b"- ", b": ", b"{", b"[", b"|\n", b".nan", b"'", b'"')
_PAX = (b"11 path=..\n", b"19 GNU.sparse.major", b"9 size=1\n", b"../", b"/", b"\x80\0\0\0\0\0\0\0")

TARGETS = (
    Target("archive", _archives, _unpack, _PAX),
    Target("text", _texts, _decompress),
    Target("corpus", lambda: [TEXT, b"\xef\xbb\xbf" + TEXT], _corpus, (b"\t", b"|", b"\r", b"1 ")),
    Target("params", _presets, _params, _YAML),
    Target("http", _answers, _download, _HEADERS),
    Target("environment", _settings, _environment, (b"~", b"'", b"9999999", b"://", b"[", b"@")),
)


def as_json(value: object) -> bytes:
    """JSON as a stranger may write it."""
    return json.dumps(value).encode()
