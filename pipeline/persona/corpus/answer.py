"""One request over HTTP to a server that is not trusted: redirects, waits it asks for, a crawl.

No message holds a URL of the server's, which may carry a secret.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from threading import Event, Thread, Timer
from time import monotonic

import httpx

from pipeline.errors import WRONG_PROXY, DownloadError, one_line, wrong_certificates


TIMEOUT = httpx.Timeout(30.0, connect=10.0)  # seconds without a byte
LONGEST_HEADERS = 60.0  # seconds until the headers are there
LONGEST_ASKED = 120.0  # seconds that a server may ask to wait for
MOST_REDIRECTS = 10
_NUMBER = "[0-9]{1,18}"  # in a header; more digits are no size of a file
RATE_OVER = 60.0  # seconds
LOWEST_RATE = 1000  # bytes per second, on average over so many seconds
LONGEST_ATTEMPT = 6 * 3600.0  # seconds until the end is there; what has come by then is kept


class TryAgainError(Exception):
    """The server may answer the same request later; `after`: seconds that it asks to wait."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class LaterError(DownloadError):
    """The request may succeed later, as when the server asks to wait; the bytes received stay."""


@contextmanager
def response_to(url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
    """Yield the answer to a GET, its content not yet read; redirects to http(s) are followed.

    Raises:
        DownloadError: a redirect leads elsewhere, there are too many, or the environment's
            proxy or certificates cannot be used.
        TryAgainError: the headers take too long.
        httpx.TransportError, httpx.InvalidURL: as httpx has it.
    """
    with _client() as client:
        request = client.build_request("GET", url, headers=dict(headers))
        for _ in range(MOST_REDIRECTS + 1):
            response = _sent(client, request)
            try:
                if response.next_request is None:
                    yield response
                    return
                request = response.next_request
            finally:
                response.close()
            if request.url.scheme not in ("http", "https") or not request.url.host:
                raise DownloadError("redirected to something that is no http(s) URL; refused")
    raise DownloadError(f"redirected more than {MOST_REDIRECTS} times; check the URL")


def _client() -> httpx.Client:
    try:
        return httpx.Client(timeout=TIMEOUT, follow_redirects=False)
    except (ImportError, ValueError, httpx.InvalidURL):  # their own words may hold a password
        raise LaterError(f"not asked: {WRONG_PROXY}") from None
    except OSError as error:  # of the certificates, which are all that it reads
        raise LaterError(f"not asked: {wrong_certificates() or one_line(error)}") from error


def _sent(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request; give up where the headers come byte by byte, which no time-out notices."""
    began = monotonic()
    watch = Timer(LONGEST_HEADERS, client.close)
    watch.daemon = True
    watch.start()
    try:
        return client.send(request, stream=True)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RuntimeError) as error:
        if monotonic() - began >= LONGEST_HEADERS:
            raise TryAgainError(f"no headers within {LONGEST_HEADERS:.0f} s") from error
        if "location header" in str(error) or not isinstance(error, httpx.TransportError):
            raise DownloadError("its answer is no HTTP that can be followed; refused") from None
        raise
    finally:
        watch.cancel()


def seconds_asked(headers: Mapping[str, str], told: str) -> float:
    """Return how long the server asks to wait: its Retry-After, seconds or a date; 0 without.

    A date is compared with the server's own clock.

    Raises:
        LaterError: longer than LONGEST_ASKED.
    """
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]+", value):
        seconds = float(value[:12])
    else:
        try:
            until, now = parsedate_to_datetime(value), parsedate_to_datetime(headers["Date"])
            seconds = (until - now).total_seconds()
        except (KeyError, ValueError, TypeError, OverflowError):
            return 0.0
    if seconds > LONGEST_ASKED:
        raise LaterError(
            f"{told}, asking to wait {seconds:.0f} s; run again later, or use a mirror or a "
            "local file"
        )
    return max(seconds, 0.0)


def validator_of(response: httpx.Response) -> str:
    """Return a mark of this version of the file: a strong ETag, else its date."""
    etag: str = response.headers.get("ETag", "")
    date: str = response.headers.get("Last-Modified", "")
    return etag if etag.startswith('"') else date


def first_byte(response: httpx.Response) -> int | None:
    """Return where the range begins that an answer has; null: it does not say."""
    match = re.match(rf"bytes ({_NUMBER})-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def whole_size(response: httpx.Response) -> int | None:
    """Return the bytes of the whole file; null: the answer does not say."""
    if response.status_code == httpx.codes.OK:
        match = re.fullmatch(f"({_NUMBER})", response.headers.get("Content-Length", ""))
    else:
        match = re.search(f"/({_NUMBER})$", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def content_of(response: httpx.Response) -> Iterator[bytes]:
    """Yield an answer's content as it comes.

    A server may send what is no content, as trailers and extensions of chunks, and so keep every
    time-out from passing. So somebody else looks at the clock, and closes the connection.

    Raises:
        TryAgainError: too little came over RATE_OVER seconds, or no end in LONGEST_ATTEMPT.
        httpx.TransportError: as httpx has it.
    """
    watch = _Watch(response)
    watch.start()
    try:
        for chunk in response.iter_raw():
            watch.bytes += len(chunk)
            yield chunk
    except Exception as error:  # a connection that is closed meanwhile may fail in many ways
        if not watch.reason:
            raise
        raise TryAgainError(watch.reason) from error
    finally:
        watch.over.set()
        watch.join()
    if watch.reason:  # closed, which an answer without a length takes for its end
        raise TryAgainError(watch.reason)


class _Watch(Thread):
    """Closes an answer whose bytes come too slowly, or do not end."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(daemon=True)
        self.bytes = 0  # of content, so far
        self.over = Event()
        self.reason = ""  # why the answer was closed
        self._response = response

    def run(self) -> None:
        began = since = monotonic()
        before = 0
        while not self.over.wait(min(RATE_OVER, max(0.0, LONGEST_ATTEMPT - (since - began)))):
            now, done = monotonic(), self.bytes
            if now - began >= LONGEST_ATTEMPT:
                self.reason = f"no end within {LONGEST_ATTEMPT:.0f} s"
            elif done - before < LOWEST_RATE * (now - since):
                self.reason = f"under {LOWEST_RATE} bytes per second for {now - since:.0f} s"
            if self.reason:
                self._response.close()
                return
            since, before = now, done
