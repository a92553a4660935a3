"""Download a file over HTTP: with retries, resumed after an interruption, verified at the end.

The bytes received so far stay in a workspace between runs, so an interrupted download continues
where it stopped. The file gets its own name only after its SHA-256 has been verified.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    TryAgainError,
    content_of,
    first_byte,
    response_to,
    seconds_asked,
    validator_of,
    whole_size,
)
from pipeline.persona.corpus.partial import Partial


SCHEMES = ("http://", "https://")
ATTEMPTS = 6
LONGEST_WAIT = 30.0  # seconds between two attempts
LARGEST_FILE = 4 << 30  # bytes; a limit, because the checksum can be verified only at the end

_OF_RANGES = (httpx.codes.PARTIAL_CONTENT, httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE)
_PASSING = (500, 502, 503, 504)  # other errors of a server do not pass

OnProgress = Callable[[int, int | None], None]  # (bytes so far, bytes in all if known)


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
    partial = Partial(workspace / f"{sha256}.partial", url)
    try:
        _attempts(first_wait)(_receive, partial, sha256, on_progress)
        _verify_or_drop(partial, sha256)
    except DownloadError as error:
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
    partial.aside.drop()
    return target


def _verify_or_drop(partial: Partial, sha256: str) -> None:
    try:
        verify(
            partial.path,
            sha256,
            source=public(partial.url),
            advice="it was removed; run again or use a mirror",
        )
    except DownloadError:
        partial.drop()
        raise


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


def _receive(partial: Partial, sha256: str, on_progress: OnProgress) -> None:
    """Append the missing bytes to the partial file, or start again if the server sends all.

    Where the server has not the range that was asked for, it is asked once for the whole file.

    Raises:
        TryAgainError: it sends a part of the file even then.
    """
    start, validator = partial.resume_point()
    with _answer(partial.url, start, validator) as response:
        status, total = response.status_code, whole_size(response)
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and total == start:
            return
        if status == httpx.codes.PARTIAL_CONTENT and first_byte(response) == start:
            _write(response, partial, start=start, total=total, on_progress=on_progress)
            return
        if status not in _OF_RANGES:
            _receive_anew(response, partial, sha256, on_progress)
            return
    with _answer(partial.url, 0, "") as response:
        if response.status_code in _OF_RANGES and first_byte(response) != 0:
            raise TryAgainError("the server sent another range than the one asked for")
        _receive_anew(response, partial, sha256, on_progress)


def _receive_anew(
    response: httpx.Response, partial: Partial, sha256: str, on_progress: OnProgress
) -> None:
    """Receive a file from its beginning; what was received before stays until this is the better.

    Raises:
        LaterError: it is another file than the one expected, and bytes received before stay.
    """
    before = partial.path.stat().st_size if partial.path.is_file() else 0
    if not before:
        _write(response, partial, start=0, total=whole_size(response), on_progress=on_progress)
        return
    anew, total = partial.aside, whole_size(response)
    try:
        _write(response, anew, start=0, total=total, on_progress=on_progress)
        if (found := artifacts.sha256_of(anew.path)) != sha256:
            raise LaterError(
                f"the answer is another file (sha256 is {found}, expected {sha256}); does the "
                "network ask for a login? The bytes received before are kept: run again to go on, "
                "or use a mirror or a local file"
            )
        partial.replace(anew)
    except (TryAgainError, httpx.TransportError):
        resumable = validator_of(response) and total is not None and total >= before
        if resumable or anew.path.stat().st_size > before:
            partial.replace(anew)
        raise
    finally:
        anew.drop()


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
    response: httpx.Response,
    partial: Partial,
    *,
    start: int,
    total: int | None,
    on_progress: OnProgress,
) -> None:
    """Write the answer's bytes behind the first `start` ones.

    Raises:
        DownloadError: they are too many; they are removed.
        TryAgainError: they are too few, or come too slowly or without end.
    """
    done = start
    partial.describe(validator_of(response))
    with partial.path.open("ab" if start else "wb") as file:
        for chunk in content_of(response):
            done += len(chunk)
            if done > LARGEST_FILE:
                partial.drop()
                raise DownloadError(f"larger than {LARGEST_FILE} bytes; refused")
            file.write(chunk)
            file.flush()
            on_progress(done, total)
    if total is not None and done < total:
        raise TryAgainError(f"the answer ended after {done} of {total} bytes")
