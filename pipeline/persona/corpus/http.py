"""Download a file over HTTP: with retries, resumed after an interruption, verified at the end.

The bytes received so far stay in a workspace between runs, so an interrupted download continues
where it stopped. The file gets its own name only after its SHA-256 has been verified.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256 as digest_of
from pathlib import Path

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from pipeline import artifacts
from pipeline.errors import DownloadError, one_line, public
from pipeline.persona.corpus.answer import (
    LaterError,
    Rate,
    TryAgainError,
    response_to,
    seconds_asked,
)


SCHEMES = ("http://", "https://")
ATTEMPTS = 6
LONGEST_WAIT = 30.0  # seconds between two attempts
LARGEST_FILE = 4 << 30  # bytes; a limit, because the checksum can be verified only at the end

_PASSING = (500, 502, 503, 504)  # other errors of a server do not pass
_NUMBER = "[0-9]{1,18}"  # in a header; more digits are no size of a file

OnProgress = Callable[[int, int | None], None]  # (bytes so far, bytes in all if known)


@dataclass(frozen=True)
class _Partial:
    """A partly received file, and a note beside it: the URL's digest and the bytes' version."""

    path: Path
    url: str

    @property
    def note(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def origin(self) -> str:
        """A digest, for a URL may hold a secret."""
        return digest_of(self.url.encode("utf-8", "surrogatepass")).hexdigest()

    def resume_point(self) -> tuple[int, str]:
        """Return the number of bytes received and their version; drop bytes of another URL."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            size = self.path.stat().st_size
            if note["url_sha256"] == self.origin:
                return size, str(note["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # without a readable note the bytes' origin is unknown
        self.drop()
        return 0, ""

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def fetch(
    url: str, workspace: Path, *, sha256: str, on_progress: OnProgress, first_wait: float = 1.0
) -> Path:
    """Download the file at `url` and verify it; return its path inside `workspace`.

    After a connection error, a time-out, a 429 or a passing 5xx the request is repeated, after
    `first_wait` seconds, twice that, and so on, or later if the server asks for it. A file of an
    earlier run is used again if its checksum is right.

    Args:
        url: begins with http:// or https://.
        workspace: a folder that is kept between runs.
        sha256: the file's checksum.
        on_progress: called after each chunk.
        first_wait: seconds before the second attempt.

    Raises:
        DownloadError: the server has no such file, no attempt succeeded, or the checksum differs.
    """
    if not url.startswith(SCHEMES):
        raise DownloadError(
            f"{public(url)}: not a URL that can be fetched; it must begin with http(s)://"
        )
    target = workspace / sha256
    if target.is_file() and artifacts.sha256_of(target) == sha256:
        return target
    workspace.mkdir(parents=True, exist_ok=True)
    partial = _Partial(workspace / f"{sha256}.partial", url)
    try:
        _attempts(first_wait)(_receive, partial, on_progress)
        verify(
            partial.path,
            sha256,
            source=public(url),
            advice="it was removed; run again or use a mirror",
        )
    except DownloadError as error:
        if not isinstance(error, LaterError):
            partial.drop()
        raise DownloadError(_named(url, str(error))) from None
    except (TryAgainError, httpx.TransportError) as error:
        times = f"{ATTEMPTS} attempts" if _may_get_better(error) else "not tried again"
        raise DownloadError(
            f"{public(url)}: {one_line(error) or type(error).__name__} ({times}); "
            "the bytes received are kept: run again to go on, or use a mirror or a local file"
        ) from None  # its own words may hold the URL
    except httpx.InvalidURL:
        raise DownloadError(f"{public(url)}: no valid URL; check it") from None
    partial.path.replace(target)
    partial.drop()
    return target


def _named(url: str, message: str) -> str:
    return message if message.startswith(public(url)) else f"{public(url)}: {message}"


def verify(path: Path, sha256: str, *, source: str, advice: str) -> None:
    """Compare the checksum of a file or folder with the expected one.

    Raises:
        DownloadError: they differ; the message names both.
    """
    actual = artifacts.sha256_of(path)
    if actual != sha256:
        raise DownloadError(f"{source}: sha256 is {actual}, expected {sha256}; {advice}")


def _attempts(first_wait: float) -> Retrying:
    growing = wait_exponential(multiplier=first_wait, max=LONGEST_WAIT)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.after if isinstance(error, TryAgainError) else 0.0
        return max(asked, growing(state))

    return Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait,
        retry=retry_if_exception(_may_get_better),
        reraise=True,
    )


def _may_get_better(error: BaseException) -> bool:
    if isinstance(error, TryAgainError):
        return True
    hopeless = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
    if isinstance(error, hopeless) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return False
    return isinstance(error, httpx.TransportError)


def _receive(partial: _Partial, on_progress: OnProgress) -> None:
    """Append the missing bytes to the partial file, or start again if the server sends all."""
    start, validator = partial.resume_point()
    with _answer(partial.url, start, validator) as response:
        total = _whole_size(response)
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            if total == start:
                return
            partial.drop()
            raise TryAgainError("the file is now shorter than the bytes received before")
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            start = 0
        elif _first_byte(response) != start:
            partial.drop()
            raise TryAgainError("the server sent another range than the one asked for")
        note = {"url_sha256": partial.origin, "validator": _validator(response)}
        artifacts.write_json(partial.note, note)
        _write(response, partial.path, start=start, total=total, on_progress=on_progress)


@contextmanager
def _answer(url: str, start: int, validator: str) -> Iterator[httpx.Response]:
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator and validator.isascii() and validator.isprintable():
            headers["If-Range"] = validator
    with response_to(url, headers) as response:
        status = response.status_code
        told = f"HTTP {status} {one_line(response.reason_phrase, 60)}"
        if status == httpx.codes.TOO_MANY_REQUESTS or status in _PASSING:
            raise TryAgainError(told, after=seconds_asked(response.headers, told))
        resumable = start and status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE
        if not response.is_success and not resumable:
            raise DownloadError(f"{told}; check the URL, or use a mirror or a local file")
        yield response


def _write(
    response: httpx.Response, path: Path, *, start: int, total: int | None, on_progress: OnProgress
) -> None:
    done = start
    rate = Rate()
    with path.open("ab" if start else "wb") as file:
        for chunk in response.iter_raw():
            done += len(chunk)
            if done > LARGEST_FILE:
                raise DownloadError(f"larger than {LARGEST_FILE} bytes; refused")
            file.write(chunk)
            file.flush()
            rate.check(len(chunk))
            on_progress(done, total)
    if total is not None and done < total:
        raise TryAgainError(f"the answer ended after {done} of {total} bytes")


def _validator(response: httpx.Response) -> str:
    """Return a mark of this version of the file: a strong ETag, else its date."""
    etag: str = response.headers.get("ETag", "")
    date: str = response.headers.get("Last-Modified", "")
    return etag if etag.startswith('"') else date


def _first_byte(response: httpx.Response) -> int | None:
    match = re.match(rf"bytes ({_NUMBER})-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _whole_size(response: httpx.Response) -> int | None:
    if response.status_code == httpx.codes.OK:
        match = re.fullmatch(f"({_NUMBER})", response.headers.get("Content-Length", ""))
    else:
        match = re.search(f"/({_NUMBER})$", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None
