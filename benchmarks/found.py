"""What was measured, by the names that `results.json` uses."""

from dataclasses import asdict, dataclass, field

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
