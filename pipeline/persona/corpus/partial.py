"""The bytes of a download received so far, which stay between runs."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline import artifacts


@dataclass(frozen=True)
class Partial:
    """A partly received file, and a note beside it: the URL's digest and the bytes' version.

    Attributes:
        path: of the bytes.
        url: where they come from.
    """

    path: Path
    url: str

    @property
    def note(self) -> Path:
        """The file beside it."""
        return self.path.with_suffix(".json")

    @property
    def origin(self) -> str:
        """A digest, for a URL may hold a secret."""
        return sha256(self.url.encode("utf-8", "surrogatepass")).hexdigest()

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

    @property
    def aside(self) -> "Partial":
        """Where an answer goes that begins anew: it may be no file, but a network's login page."""
        return Partial(self.path.with_suffix(".anew.partial"), self.url)

    def replace(self, other: "Partial") -> None:
        """Become another, which is no longer there then."""
        self.note.unlink(missing_ok=True)  # without a note the bytes count for nothing
        other.path.replace(self.path)
        other.note.replace(self.note)

    def describe(self, validator: str) -> None:
        """Note which version of the file the bytes belong to, before they come."""
        artifacts.write_json(self.note, {"url_sha256": self.origin, "validator": validator})

    def drop(self) -> None:
        """Remove the bytes and the note."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
