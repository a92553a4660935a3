"""What was measured, by the names that `results.json` uses."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Self

from benchmarks.timing import Ratio


@dataclass
class Found:
    """Ratios are theirs over ours unless the name says otherwise."""

    ratios: dict[str, Ratio] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # medians
    memory_mib: dict[str, float] = field(default_factory=dict)
    share_of_peak: dict[str, float] = field(default_factory=dict)
    wrong: dict[str, float] = field(default_factory=dict)  # systems with another gradient
    failed: dict[str, str] = field(default_factory=dict)  # what could not be measured, and why
    took: dict[str, float] = field(default_factory=dict)  # seconds of each comparison

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what an earlier run wrote to `path`; nothing if there was none."""
        if not path.is_file():
            return cls()
        held = json.loads(path.read_text(encoding="utf-8"))
        found = cls(**{f.name: held.get(f.name, {}) for f in fields(cls)})
        found.ratios = {name: Ratio(**value) for name, value in held["ratios"].items()}
        return found
