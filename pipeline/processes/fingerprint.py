"""A name for a run, from what determines it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path


_PROJECT = Path(__file__).parents[2]
_CODE = ("pipeline", "stages")


def fingerprint(parts: Mapping[str, str]) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over `parts` and the project's code."""
    text = json.dumps({"code": _code_sha256(_PROJECT), "parts": dict(parts)}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def _code_sha256(project: Path) -> str:
    digest = sha256()
    files = (file for folder in _CODE for file in (project / folder).rglob("*.py"))
    for file in sorted(files):
        digest.update(file.relative_to(project).as_posix().encode() + b"\0")
        digest.update(sha256(file.read_bytes()).digest())
    return digest.hexdigest()
