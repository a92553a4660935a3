"""A name for a run, from what determines it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from pipeline.processes.code import PROJECT, code_in_use


def fingerprint(parts: Mapping[str, str], project: Path = PROJECT) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over `parts` and the code that the run uses.

    An edit of other code, a chart's for instance, keeps the name: what an interrupted run has left
    is found again.
    """
    text = json.dumps({"code": code_sha256(project), "parts": dict(parts)}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def code_sha256(project: Path = PROJECT) -> str:
    """Return the SHA-256 of the code that the run uses, names and contents."""
    digest = sha256()
    for name in code_in_use(project):
        digest.update(name.encode() + b"\0")
        digest.update(sha256((project / name).read_bytes()).digest())
    return digest.hexdigest()
