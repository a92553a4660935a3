"""What finished jobs found, kept outside the outs until the out is written."""

import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel

from pipeline import artifacts, recording
from pipeline.locks import Slot
from pipeline.processes.fingerprint import fingerprint


Record = TypeVar("Record", bound=BaseModel)


class Journal(Generic[Record]):
    """Results of finished jobs, one line each, appended as they come.

    Attributes:
        kind: of the records.
        damaged: how many lines the last `load` could not read.
    """

    def __init__(self, kind: type[Record], stage: str, parts: dict[str, str]) -> None:
        self.kind = kind
        root = Path(os.environ.get("DVC_ROOT", ""))
        self._slot = Slot(root / artifacts.CHECKPOINTS, f"{stage}-{fingerprint(parts)}", [".jsonl"])
        self.damaged = 0

    @property
    def path(self) -> Path:
        """Its file, which belongs to one stage, one set of inputs, and one run at a time."""
        return self._slot.path

    def load(self) -> dict[str, list[Record]]:
        """Return what is there. A line that cannot be read is left out: its job is done again.

        So is a line that is not as it was written: it holds a digest of itself.

        What a kill cut off, after the last newline, is cut away and not counted as damage; nothing
        else of the file is touched, since a line may have taken hours.
        """
        self.damaged = 0
        done: dict[str, list[Record]] = {}
        if self._slot.empty or not self.path.is_file():
            return done
        recording.go_on_from(self._slot.files)
        *lines, tail = self.path.read_bytes().split(b"\n")
        for line in lines:
            try:
                entry = json.loads(line)
                job, records = entry["job"], entry["records"]
                if entry["sha256"] != _digest(job, records):
                    raise ValueError("not what was written")
                done[job] = [self.kind.model_validate(record) for record in records]
            except (ValueError, KeyError, TypeError, RecursionError):
                self.damaged += 1
        if tail:
            os.truncate(self.path, sum(len(line) + 1 for line in lines))
        return done

    @property
    def complaint(self) -> str:
        """What the last `load` has to say of damage, one line; empty if there was none."""
        if not self.damaged:
            return ""
        lines = "1 damaged line was" if self.damaged == 1 else f"{self.damaged} damaged lines were"
        return f"{self.path}: {lines} left out; what stood there is computed again"

    def append(self, job: str, records: Sequence[Record]) -> None:
        """Add one finished job."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = [record.model_dump() for record in records]
        entry = {"job": job, "records": content, "sha256": _digest(job, content)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def delete(self, *outs: Path) -> None:
        """Remove the journal: the outs are written. With DVC it stays until that has them."""
        self._slot.delete(lambda files: recording.spare(files, outs))


def _digest(job: str, records: object) -> str:
    return sha256(json.dumps([job, records]).encode()).hexdigest()
