"""A name for a run, from what determines it; and whether its code is edited while it works."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pipeline.processes.code import PROJECT, code_in_use, code_of, script_of, scripts_of


@dataclass(frozen=True)
class Code:
    """Files of a project as they stood at one moment.

    Attributes:
        project: where they lie.
        digests: by name the SHA-256 of the content; null: there is no such file.
    """

    project: Path
    digests: Mapping[str, str | None]

    @classmethod
    def of(cls, names: Iterable[str], project: Path) -> "Code":
        """Read the files as they are now."""
        return cls(project, {name: _digest(project / name) for name in sorted(names)})

    def edited(self) -> str | None:
        """Return the first file that is another one by now, or gone; null: all are as they were."""
        now = Code.of(self.digests, self.project)
        return next((n for n in self.digests if self.digests[n] != now.digests[n]), None)

    def sha256(self) -> str:
        """Return one SHA-256, over names and contents."""
        return sha256(json.dumps([*self.digests.items()]).encode()).hexdigest()


_began_with: Code | None = None  # of this program


def begin(module: str, project: Path = PROJECT) -> None:
    """Read the code of `python -m stages.NAME` before the program imports it.

    An import takes seconds, and some come late: what is edited in between may or may not be what
    runs. So this program's code is the one that stood here at its start, or nobody knows which.
    """
    global _began_with
    if len(scripts_of(module, project)) == 1:
        _began_with = Code.of(code_of(script_of(module, project), project), project)


def edited_meanwhile() -> str | None:
    """Return a file of this program's code that was edited since `begin`; null: there is none."""
    return None if _began_with is None else _began_with.edited()


def fingerprint(parts: Mapping[str, str], project: Path = PROJECT) -> str:
    """Return 16 hexadecimal digits of the SHA-256 over `parts` and the code that the run uses.

    An edit of other code, a chart's for instance, keeps the name: what an interrupted run has left
    is found again.
    """
    text = json.dumps({"code": code_sha256(project), "parts": dict(parts)}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:16]


def code_sha256(project: Path = PROJECT) -> str:
    """Return the SHA-256 of the code that the run uses, names and contents, as it began."""
    return (_began_with or Code.of(code_in_use(project), project)).sha256()


def stages_sha256(*stages: str, project: Path = PROJECT) -> str:
    """Return the SHA-256 of the code of stages that a program starts, as it is now.

    Args:
        stages: NAMEs of `python -m stages.NAME`.
        project: where the code lies.
    """
    names = (code_of(script_of(stage, project), project) for stage in stages)
    return Code.of(set().union(*names), project).sha256()


def _digest(file: Path) -> str | None:
    return sha256(file.read_bytes()).hexdigest() if file.is_file() else None
