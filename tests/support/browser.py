"""A headless Chromium, driven through the pipe of its DevTools protocol: nothing to install.

`MAMLVIAPP_BROWSER` names the program; without it the usual names are looked for on PATH.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ),
    *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
    "--remote-debugging-pipe",
)
NOWHERE = "--host-resolver-rules=MAP * ~NOTFOUND"
THIS_MACHINE = f"{NOWHERE}, EXCLUDE 127.0.0.1"


def program() -> str | None:
    """Return the browser's path; None where there is none."""
    if named := os.environ.get("MAMLVIAPP_BROWSER"):
        return named
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab.

    Attributes:
        messages: what was written to the console, and errors that nothing caught.
        requests: the addresses that were asked for.
    """

    def __init__(self, pipe: "Pipe", session: str, *, offline: bool) -> None:
        self.messages: list[str] = []
        self.requests: list[str] = []
        self._pipe, self._session = pipe, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        if offline:
            none = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
            self.call("Network.emulateNetworkConditions", offline=True, **none)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._pipe.call(method, params, self._session, self._event)

    def _event(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message["params"]
        if method == "Runtime.consoleAPICalled":
            self.messages.append(str([arg.get("value") for arg in params["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(str(params["exceptionDetails"].get("exception", params)))
        elif method == "Log.entryAdded":
            self.messages.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def look(self, width: int, *, height: int = 900, scheme: str = "light") -> None:
        """Set the size of the window, in CSS pixels, and the colour scheme."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media="", features=features)

    def open(self, path: Path) -> None:
        """Load a file, until all of it is there."""
        self.go(path.resolve().as_uri())

    def go(self, url: str) -> None:
        """Load a page, until all of it is there."""
        self.call("Page.navigate", url=url)
        self.value(
            "new Promise(done => document.readyState === 'complete' ? done(1) "
            ": addEventListener('load', () => done(1)))"
        )

    def until(self, script: str, seconds: float = 60.0) -> Any:
        """Wait until an expression gives something true, and return that."""
        end = time.monotonic() + seconds
        while not (found := self.value(script)):
            assert time.monotonic() < end, (script, self.messages)
            time.sleep(0.2)
        return found

    def type(self, place: str, text: str) -> None:
        """Type into the field that a selector names, then press Enter."""
        self.value(f"document.querySelector({json.dumps(place)}).focus()")
        self.call("Input.insertText", text=text)
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, **key)

    def value(self, script: str) -> Any:
        """Return what an expression gives; a promise is waited for."""
        options = {"returnByValue": True, "awaitPromise": True}
        found = self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


class Pipe:
    """Commands to the browser and what it answers, as JSON that ends with a zero byte."""

    def __init__(self, out: int, back: int) -> None:
        self._out, self._back = out, back
        self._number, self._rest = 0, b""

    def call(
        self, method: str, params: dict[str, Any], session: str | None = None, event: Any = None
    ) -> dict[str, Any]:
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        os.write(self._out, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, (method, message)
                return dict(message["result"])
            if "method" in message and event is not None:
                event(message)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._back, 1 << 20)
            assert part, "the browser ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(executable: str, *, offline: bool = True) -> Iterator[Page]:
    """A browser with one empty tab, which ends with the block; online it reaches this machine."""
    hosts = NOWHERE if offline else THIS_MACHINE
    ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for pair in (os.pipe(), os.pipe()) for fd in pair]
    to_read, out, back, to_write = ends

    def at_3_and_4() -> None:
        os.dup2(to_read, 3)
        os.dup2(to_write, 4)

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [executable, *OPTIONS, hosts, f"--user-data-dir={folder}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=at_3_and_4,
            pass_fds=(3, 4),
        )
        os.close(to_read)
        os.close(to_write)
        try:
            pipe = Pipe(out, back)
            target = pipe.call("Target.createTarget", {"url": "about:blank"})["targetId"]
            attach = {"targetId": target, "flatten": True}
            session = pipe.call("Target.attachToTarget", attach)["sessionId"]
            yield Page(pipe, session, offline=offline)
        finally:
            process.kill()
            process.wait()
            os.close(out)
            os.close(back)
