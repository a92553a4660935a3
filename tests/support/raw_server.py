"""A server that answers every connection with the bytes it is told to, in pieces."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread


@dataclass
class RawServer:
    port: int
    requests: list[bytes] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/a.tgz"


Answer = Callable[[RawServer, socket.socket], None]


@contextmanager
def serve_raw(answer: bytes | Answer) -> Iterator[RawServer]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        server = RawServer(listening.getsockname()[1])
        thread = Thread(target=_loop, args=(listening, server, answer))
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            thread.join()


def _loop(listening: socket.socket, server: RawServer, answer: bytes | Answer) -> None:
    while not server.stopped.is_set():
        with suppress(TimeoutError):
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.settimeout(5)
                server.requests.append(connection.recv(65536))
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                else:
                    answer(server, connection)
