"""A local HTTP server of one file that can fail in the ways real ones do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread


@dataclass
class FileServer:
    content: bytes
    etag: str | None = '"v1"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)  # close an answer after that many bytes, in turn
    hang: bool = False  # after a cut, keep the connection open until `released`
    released: Event = field(default_factory=Event)
    statuses: list[int] = field(default_factory=list)  # answer these first
    odd_ranges: list[tuple[int, str]] = field(default_factory=list)  # to a range; Content-Range
    requests: list[dict[str, str]] = field(default_factory=list)  # headers, as they came
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(handler.headers))
        if self.statuses:
            handler.send_error(self.statuses.pop(0))
            return
        start = self._start(handler.headers)
        if self.odd_ranges and "Range" in handler.headers:
            self._send_odd(handler, *self.odd_ranges.pop(0))
            return
        if start is not None and start >= len(self.content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(self.content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        self._send(handler, start)

    def _send_odd(self, handler: BaseHTTPRequestHandler, status: int, told: str) -> None:
        body = self.content if status == 206 else b""
        handler.send_response(status)
        if told:
            handler.send_header("Content-Range", told)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _start(self, headers) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", ""))
        if not found or not self.ranges:
            return None
        if headers.get("If-Range") not in (None, self.etag):
            return None
        return int(found[1])

    def _send(self, handler: BaseHTTPRequestHandler, start: int | None) -> None:
        body = self.content[start or 0 :]
        handler.send_response(200 if start is None else 206)
        if start is not None:
            whole = len(self.content)
            handler.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if not self.cuts:
            handler.wfile.write(body)
            return
        handler.wfile.write(body[: self.cuts.pop(0)])
        handler.wfile.flush()
        if self.hang:
            self.released.wait()


@contextmanager
def serve(content: bytes, **behaviour) -> Iterator[FileServer]:
    server = FileServer(content, **behaviour)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        server.url = f"http://127.0.0.1:{listening.server_port}/personachat.tgz"
        yield server
    finally:
        server.released.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
